"""`audit`: ask every question of a model and its data, and report what was found."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from math import isfinite
from time import perf_counter
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.progress import Progress, track
from pellucid.auditing.checks.base import Check, run_check
from pellucid.auditing.checks.registry import CHECKS
from pellucid.auditing.findings import Finding, Section, Verdict
from pellucid.auditing.policy import Policy
from pellucid.auditing.subject import Subject
from pellucid.auditing.subject_facts import SubjectFacts, facts_of

RANK = {
    Verdict.FAIL: 0,
    Verdict.ERROR: 1,
    Verdict.WARN: 2,
    Verdict.NOTE: 3,
    Verdict.PASS: 4,
    Verdict.NOT_APPLICABLE: 5,
}
SECTION_RANK = (
    Section.RELIABILITY,
    Section.BIAS,
    Section.PERFORMANCE,
    Section.COMPLIANCE,
    Section.IMPROVEMENT,
    Section.TRUST,
    Section.USE,
    Section.DECISIONS,
    Section.SUBJECT,
)
SCHEMA = "pellucid.audit/1"
MANY_ROWS = 20_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Audit:
    """What an audit found.

    Parameters
    ----------
    subject : SubjectFacts
        Names, sizes, hashes, versions, what the audit contains and what it did not measure.
    findings : tuple of Finding
        In the order of their sections.
    policy : Policy
        The tolerances behind the verdicts.
    seconds : float
        Wall time.
    """

    subject: SubjectFacts
    findings: tuple[Finding, ...]
    policy: Policy
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict of all findings."""
        found = {finding.verdict for finding in self.findings}
        order = (Verdict.FAIL, Verdict.ERROR, Verdict.WARN, Verdict.NOTE)
        return next((verdict for verdict in order if verdict in found), Verdict.PASS)

    @property
    def sections(self) -> Mapping[Section, tuple[Finding, ...]]:
        """Findings by section; sections without findings are absent."""
        grouped = {section: tuple(f for f in self.findings if f.section is section) for section in Section}
        return {section: found for section, found in grouped.items() if found}

    def exit_code(self, fail_on: str = "fail") -> int:
        """Return 0 when all held and 1 when a finding is at least as grave as `fail_on` ("warn" or "fail").

        A check that could not run counts as a finding: it did not hold.
        """
        if fail_on not in ("warn", "fail"):
            raise InputError(f"fail_on must be 'warn' or 'fail'; got {fail_on!r}.")
        grave = {Verdict.FAIL, Verdict.ERROR} | ({Verdict.WARN} if fail_on == "warn" else set())
        return int(any(finding.verdict in grave for finding in self.findings))

    def top(self, k: int = 3) -> tuple[Finding, ...]:
        """Return the k most important findings: by verdict, then by section, then by weight."""
        asked = [f for f in self.findings if f.verdict is not Verdict.NOT_APPLICABLE]

        def importance(finding: Finding) -> tuple[int, int, float]:
            return RANK[finding.verdict], SECTION_RANK.index(finding.section), -finding.weight

        return tuple(sorted(asked, key=importance)[:k])

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values, with a schema version; what is not a finite number is null."""
        return {
            "schema": SCHEMA,
            "verdict": str(self.verdict),
            "seconds": self.seconds,
            "subject": plain(self.subject),
            "policy": self.policy.to_dict(),
            "findings": [plain(finding) for finding in self.findings],
        }

    def __repr__(self) -> str:
        counts = {verdict: sum(f.verdict is verdict for f in self.findings) for verdict in RANK}
        found = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        return f"Audit({self.subject.model}: {found}; {self.seconds:.1f} s)"


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value) if field.name != "pixels"}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    known = value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and isfinite(value))
    return value if known else None if isinstance(value, float) else str(value)


def audit(
    model: Any,
    X: Any,
    y: Any,
    *,
    X_train: Any = None,
    y_train: Any = None,
    background: Any = None,
    sensitive_features: Any = None,
    favorable: Any = None,
    threshold: float | None = None,
    sample_weight: Any = None,
    rows: str | Sequence[int] | None = None,
    policy: Any = None,
    fast: bool = False,
    random_state: int = 0,
    progress: Progress = None,
    checks: Sequence[Check] | None = None,
) -> Audit:
    """Audit a model on held-out data.

    Parameters
    ----------
    model : object
        A fitted model of a library that pellucid reads, or a function from rows to predictions. A function with a
        target of two labels must return the probability of the label sorted last, or one column per label.
    X : table of shape (rows, features)
        Rows the model has not seen, at least 20. Columns named in `sensitive_features` that the model does not know
        are set aside.
    y : array of shape (rows,)
        The truth.
    X_train, y_train : table and array, optional
        What the model was trained on: for the background, extrapolation, baselines, leaks and the ladder.
    background : table, optional
        Rows that stand for a hidden feature; by default a seeded sample of 200 training rows, else of `X`.
    sensitive_features : str, list of str or table, optional
        Columns of `X`, or columns beside it with one value per row.
    favorable : label, optional
        The class that is good for the person.
    threshold : float, optional
        Cut-off on the score of the second class (in the model's order), which is decided from it upwards.
    sample_weight : array of shape (rows,), optional
        Weights of the rows in all performance figures.
    rows : "typical" or list of int, optional
        Rows whose decisions are explained; none unless asked for.
    policy : path, dict or Policy, optional
        Tolerances; see `pellucid.auditing.policy.Policy`.
    fast : bool
        Skip the costly checks; the audit says which.
    random_state : int
        Seed of everything random.
    progress : bool or callable, optional
        Progress to standard error; None shows a bar on a terminal only.
    checks : sequence of Check, optional
        The questions to ask; by default all of ours. Add your own with ``[*CHECKS, mine]``.

    Returns
    -------
    Audit

    Raises
    ------
    InputError
        When an argument is not what was expected; the message says what to do.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from pellucid.auditing.audit import audit
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X[::2], y[::2])
    >>> found = audit(model, X[1::2], y[1::2], X_train=X[::2], y_train=y[::2], fast=True)
    >>> found.exit_code() in (0, 1)
    True
    """
    if model is None:
        raise InputError("audit needs a model; to check data before modelling use audit_data(X, y).")
    subject = Subject.of(
        model, X, y, X_train=X_train, y_train=y_train, background=background, sensitive_features=sensitive_features,
        favorable=favorable, threshold=threshold, sample_weight=sample_weight, rows=rows, policy=policy, fast=fast,
        random_state=random_state, progress=progress,
    )  # fmt: skip
    return audit_subject(subject, CHECKS if checks is None else checks)


def audit_data(
    X: Any,
    y: Any,
    *,
    sensitive_features: Any = None,
    favorable: Any = None,
    sample_weight: Any = None,
    policy: Any = None,
    fast: bool = False,
    random_state: int = 0,
    progress: Progress = None,
    checks: Sequence[Check] | None = None,
) -> Audit:
    """Check data before modelling begins: missing values, leaks, group rates, representation, what models reach.

    Parameters are those of `audit`. A numeric target with more than two values is read as classes when it has at
    most ten whole numbers.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from pellucid.auditing.audit import audit_data
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> audit_data(X, y, fast=True).subject.model
    'no model'
    """
    subject = Subject.of(
        None, X, y, sensitive_features=sensitive_features, favorable=favorable, sample_weight=sample_weight,
        policy=policy, fast=fast, random_state=random_state, progress=progress,
    )  # fmt: skip
    return audit_subject(subject, CHECKS if checks is None else checks)


def _few_threads(subject: Subject) -> AbstractContextManager[Any]:
    """Keep OpenMP to one thread where tables are small.

    An audit asks a model hundreds of small questions; starting threads for each costs more than they save, and on a
    busy machine, where threads wait for each other, many times more.
    """
    if max(subject.n, len(subject.background)) > MANY_ROWS:
        return nullcontext()
    from threadpoolctl import threadpool_limits  # a third party, loaded only when an audit runs

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="openmp")
    return limits


def audit_subject(subject: Subject, checks: Sequence[Check]) -> Audit:
    """Run every check that fits on a subject whose arguments are already checked."""
    started = perf_counter()
    fitting = [check for check in checks if subject.model is not None or not check.needs_model]
    skipped = [check for check in fitting if subject.fast and check.cost == "costly"]
    asked = [check for check in fitting if check not in skipped]
    found: list[Finding] = []
    with _few_threads(subject):
        for check in track(asked, task="audit", total=len(asked), progress=subject.progress):
            found.extend(run_check(check, subject, found))
    order = list(Section)
    found.sort(key=lambda finding: order.index(finding.section))
    return Audit(
        subject=facts_of(subject, found, skipped),
        findings=tuple(found),
        policy=subject.policy,
        seconds=perf_counter() - started,
    )
