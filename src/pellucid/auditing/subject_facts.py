"""The audit's own description: what was audited, what is in it, and what was not measured."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from pellucid._base.typing import Names
from pellucid._base.words import counted
from pellucid.auditing.checks.base import Check
from pellucid.auditing.findings import Finding, Verdict
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import listed, named

PACKAGES = ("pellucid", "numpy", "scikit-learn", "xgboost", "lightgbm", "catboost", "pandas")


@dataclass(frozen=True, kw_only=True)
class SubjectFacts:
    """What was audited.

    Parameters
    ----------
    model : str
        The model in words; "no model" when only data were checked.
    task : str
        binary, multiclass or regression.
    features : tuple of str
    classes : tuple of str
        Empty for regression.
    favorable : str or None
    sensitive : tuple of str
    n_rows, n_train : int
        Held-out and training rows.
    background : str
        What hidden features are replaced by.
    random_state : int
    hashes, versions : dict
        SHA-256 of the tables; packages that were installed.
    contains : tuple of str
        Sentences: what of the data is shown in the findings.
    not_measured : tuple of str
        Sentences: what was not measured, and why.
    """

    model: str
    task: str
    features: Names
    classes: Names
    favorable: str | None
    sensitive: Names
    n_rows: int
    n_train: int
    background: str
    random_state: int
    hashes: dict[str, str]
    versions: dict[str, str]
    contains: tuple[str, ...]
    not_measured: tuple[str, ...]


def facts_of(subject: Subject, findings: Sequence[Finding], skipped: Sequence[Check]) -> SubjectFacts:
    """Collect the facts after the checks have run."""
    return SubjectFacts(
        model="no model" if subject.model is None else subject.model.label,
        task=subject.task,
        features=subject.X.names,
        classes=() if subject.classes is None else tuple(str(label) for label in subject.classes.tolist()),
        favorable=None if subject.favorable is None else str(subject.favorable),
        sensitive=tuple(subject.sensitive),
        n_rows=subject.n,
        n_train=0 if subject.X_train is None else len(subject.X_train),
        background=subject.background_note,
        random_state=subject.random_state,
        hashes=hashes_of(subject),
        versions=versions_of(),
        contains=_contains(subject),
        not_measured=_not_measured(subject, findings, skipped),
    )


def hashes_of(subject: Subject) -> dict[str, str]:
    """SHA-256 of every table that took part."""
    tables = {"X": subject.X, "X_train": subject.X_train, "background": subject.background}
    return {name: table.digest() for name, table in tables.items() if table is not None}


def versions_of(*others: str) -> dict[str, str]:
    """Versions of Python and of the packages, ours and others, that are installed."""
    found = {"python": platform.python_version()}
    for package in (*PACKAGES, *others):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _contains(subject: Subject) -> tuple[str, ...]:
    """Return what of people's data a reader of the findings will see."""
    said = ["Figures over many rows, names of columns and of their categories."]
    if subject.model is not None and subject.rows is not None:
        said.append("The full values of the single rows that were asked for (section Single decisions).")
    else:
        said.append("No single row of the data.")
    if subject.sensitive:
        said.append(
            f"Groups by {listed(tuple(subject.sensitive))}; groups below {subject.policy.min_group_size} rows are "
            "withheld."
        )
    return tuple(said)


def _not_measured(subject: Subject, findings: Sequence[Finding], skipped: Sequence[Check]) -> tuple[str, ...]:
    said = []
    if subject.model is None:
        said.append("No model was given, so nothing was measured about one.")
    said += [f"{check.code} {check.title}: skipped, because fast was asked for." for check in skipped]
    reasons: dict[str, list[str]] = {}
    for finding in findings:
        if finding.verdict in (Verdict.NOT_APPLICABLE, Verdict.ERROR):
            reasons.setdefault(finding.statement, []).append(f"{finding.code} {finding.title}")
    said += [f"{', '.join(names)}: {reason[:1].lower()}{reason[1:]}" for reason, names in reasons.items()]
    if subject.model is not None and not subject.structured:
        said.append(
            f"{subject.model.label} could only be asked for predictions ({subject.model.why_no_structure}), so global "
            f"attributions rest on {counted(len(subject.explained_rows), 'row')}."
        )
    if subject.model is not None and subject.X_train is None:
        said.append("The training data were not given: extrapolation and rows seen in training were not measured.")
    return tuple(said)


def title_of(subject: Subject) -> str:
    """Return the subject in a few words."""
    return "data without a model" if subject.model is None else named(subject.model.label)
