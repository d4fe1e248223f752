"""What a check is, and how one is run without taking the audit down."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from pellucid._base.errors import PellucidError, UnsupportedRequestError
from pellucid._base.typing import Array
from pellucid.auditing.findings import Finding, Section, Verdict
from pellucid.auditing.subject import Subject

Cost: TypeAlias = Literal["cheap", "costly"]


class NotApplicable(Exception):  # noqa: N818 - it is an answer, not an error
    """The check's question does not arise for this subject; the message says why."""


@runtime_checkable
class Check(Protocol):
    """One question that an audit asks.

    Anything with these attributes can be passed to `audit(..., checks=)`.
    """

    @property
    def code(self) -> str:
        """``PEL`` and three digits for ours; any other code for yours."""

    @property
    def title(self) -> str:
        """A few words."""

    @property
    def section(self) -> Section:
        """The chapter its finding stands in."""

    @property
    def why(self) -> str:
        """Why the question matters."""

    @property
    def cost(self) -> Cost:
        """``"cheap"``, or ``"costly"``: skipped by ``fast=True``."""

    @property
    def needs_model(self) -> bool:
        """Whether the question can only be asked of a model."""

    def run(self, subject: Subject) -> Finding | Sequence[Finding]:
        """Measure, judge by ``subject.policy`` and report; raise `NotApplicable` when there is nothing to ask."""
        ...


@runtime_checkable
class Closing(Protocol):
    """A check that also looks at what the checks before it found."""

    def conclude(self, subject: Subject, findings: Sequence[Finding]) -> Finding:
        """Measure from the findings so far; asked instead of `run`."""
        ...


def require_groups(subject: Subject) -> Mapping[str, Array]:
    """Return the groups, or say how to name them."""
    if not subject.groups:
        raise NotApplicable("no sensitive features were named; pass sensitive_features=.")
    return subject.groups


@dataclass(frozen=True, kw_only=True)
class Question:
    """The fixed part of a check: subclass it and write `run`."""

    code: str
    title: str
    section: Section
    why: str
    cost: Cost = "cheap"
    needs_model: bool = True

    def finding(self, verdict: Verdict, statement: str, *, remedy: str = "", **details: Any) -> Finding:
        """Return a finding of this check; what holds needs no remedy."""
        return Finding(
            code=self.code,
            title=self.title,
            section=self.section,
            why=self.why,
            verdict=verdict,
            statement=statement,
            remedy="" if verdict is Verdict.PASS else remedy,
            **details,
        )


def run_check(check: Check, subject: Subject, before: Sequence[Finding] = ()) -> tuple[Finding, ...]:
    """Run one check; whatever goes wrong becomes a finding that says so. Ctrl-C passes."""
    try:
        found = check.conclude(subject, before) if isinstance(check, Closing) else check.run(subject)
    except NotApplicable as reason:
        return (_about(check, Verdict.NOT_APPLICABLE, f"Not applicable: {reason}"),)
    except PellucidError as error:
        return (_about(check, Verdict.ERROR, f"This check could not run: {error}"),)
    except Exception as error:  # one failing check never takes the audit down
        return (_about(check, Verdict.ERROR, f"This check failed with {type(error).__name__}: {error}"),)
    return (found,) if isinstance(found, Finding) else tuple(found)


def _about(check: Check, verdict: Verdict, statement: str) -> Finding:
    return Finding(
        code=check.code,
        title=check.title,
        section=check.section,
        verdict=verdict,
        statement=statement,
        why=check.why,
    )


@contextmanager
def fitting_again() -> Iterator[None]:
    """Turn a model that cannot be fitted again into a check that does not apply."""
    try:
        yield
    except UnsupportedRequestError as error:
        raise NotApplicable(f"this needs a model that can be fitted again: {error}") from error


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the gravest of several verdicts; pass when there are none."""
    order = (Verdict.FAIL, Verdict.WARN, Verdict.NOTE, Verdict.PASS)
    return next((verdict for verdict in order if verdict in verdicts), Verdict.PASS)
