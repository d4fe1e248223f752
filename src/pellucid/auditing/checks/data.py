"""PEL101 to PEL105: what was audited, and what the data are like before any model."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.numbers import figure, percent
from pellucid._base.statistics import wilson
from pellucid._base.typing import Array
from pellucid._base.words import counted
from pellucid.auditing.checks.base import Question, require_groups, worst
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import key_of, listed, named, of_measure
from pellucid.table import Table

MOST_SHOWN = 15
FEW_LEVELS = 20


@dataclass(frozen=True, kw_only=True)
class SubjectFound(Question):
    """What was audited, in one sentence."""

    def run(self, subject: Subject) -> Finding:
        """Describe the model, the rows and the target."""
        who = (
            "No model was given: the data were checked"
            if subject.model is None
            else f"{subject.model.label} was audited"
        )
        classes = 0 if subject.classes is None else len(subject.classes)
        kind = f"one of {'two' if subject.task == 'binary' else classes} classes" if classes else "a number"
        train = "" if subject.X_train is None else f"; {counted(len(subject.X_train), 'training row')} were given"
        return self.finding(
            Verdict.PASS,
            f"{who} on {counted(subject.n, 'row')} with {counted(subject.X.n_columns, 'feature')}; the target is "
            f"{kind}{train}.",
            detail=_target_words(subject),
            how=f"Everything random is drawn from seed {subject.random_state}. Hidden features are replaced by "
            f"{subject.background_note}."
            if subject.model is not None
            else f"Seed {subject.random_state}.",
            measures=(Measure(name="rows", value=float(subject.n), n=subject.n, unit="rows"),),
            exhibits=(_target_exhibit(subject),),
        )


def _target_words(subject: Subject) -> str:
    if subject.classes is None:
        y = subject.y.astype(float)
        return (
            f"The target runs from {figure(float(y.min()))} to {figure(float(y.max()))}, mean "
            f"{figure(float(y.mean()))}."
        )
    counts = np.bincount(subject.y_index, minlength=len(subject.classes))
    shares = [
        f"{named(label)} {percent(count / subject.n)}" for label, count in zip(subject.classes, counts, strict=True)
    ]
    good = f" {named(subject.favorable)} is the favourable outcome." if subject.favorable is not None else ""
    return f"Outcomes: {', '.join(shares[:6])}{' and others' if len(shares) > 6 else ''}.{good}"


def _target_exhibit(subject: Subject) -> Exhibit:
    if subject.classes is None:
        steps = np.quantile(subject.y.astype(float), [0.05, 0.25, 0.5, 0.75, 0.95])
        table: dict[str, list[Any]] = {
            "quantile": ["5 %", "25 %", "median", "75 %", "95 %"],
            "target": [float(step) for step in steps],
        }
        return Exhibit(kind="table", title="The target", description="Quantiles of the target.", table=table)
    counts = np.bincount(subject.y_index, minlength=len(subject.classes))
    ends = [wilson(count / subject.n, subject.n) for count in counts]
    return Exhibit(
        kind="bars",
        title="Outcomes",
        description="Share of each outcome in the audited rows, with 95 % intervals.",
        table={
            "label": [str(label) for label in subject.classes],
            "value": [float(count / subject.n) for count in counts],
            "low": [end[0] for end in ends],
            "high": [end[1] for end in ends],
            "n": [int(count) for count in counts],
        },
        options={"x_title": "share of rows"},
    )


def missing_share(X: Table) -> Array:
    """Share of missing cells of every column."""
    return np.array([_missing(X.column(name)).mean() for name in X.names])


def _missing(values: Array) -> Array:
    if values.dtype.kind == "f":
        return np.isnan(values)
    return np.array([value is None for value in values.tolist()], dtype=bool)


@dataclass(frozen=True, kw_only=True)
class MissingValues(Question):
    """Share of missing cells by column."""

    def run(self, subject: Subject) -> Finding:
        """Count missing cells."""
        share = missing_share(subject.X)
        order = [j for j in np.argsort(-share, kind="stable") if share[j] > 0]
        policy = subject.policy
        warn = [j for j in order if share[j] > policy.missing_warn]
        verdict = (
            Verdict.WARN if warn else Verdict.NOTE if order and share[order[0]] > policy.missing_note else Verdict.PASS
        )
        measures = [
            Measure(
                name=f"missing in {subject.X.names[j]}", value=float(share[j]), n=subject.n, unit="share",
                low=wilson(share[j], subject.n)[0], high=wilson(share[j], subject.n)[1],
            )
            for j in order
        ]  # fmt: skip
        statement = (
            f"{counted(len(order), 'column')} of {subject.X.n_columns} have missing values, most "
            f"{named(subject.X.names[order[0]])}: "
            f"{of_measure(measures[0])} of {subject.counted_rows()}."
            if order
            else f"No value is missing in {counted(subject.n, 'row')} of {counted(subject.X.n_columns, 'column')}."
        )
        return self.finding(
            verdict,
            statement,
            how="Missing cells counted by column; Wilson intervals.",
            measures=tuple(measures),
            exhibits=(
                Exhibit(
                    kind="bars",
                    title="Missing values",
                    description=statement,
                    table={
                        "label": [subject.X.names[j] for j in order[:MOST_SHOWN]],
                        "value": [float(share[j]) for j in order[:MOST_SHOWN]],
                    },
                    options={"x_title": "share of rows"},
                ),
            )
            if order
            else (),
            remedy="Find out why they are missing, and whether that depends on the outcome or the group.",
            weight=float(share.max()),
        )


@dataclass(frozen=True, kw_only=True)
class RepeatedColumns(Question):
    """Columns without information, and columns that say the same."""

    def run(self, subject: Subject) -> Finding:
        """Compare every column with the others."""
        X, _ = subject.all_rows
        constant, twins = constant_columns(X), equal_columns(X)
        said = []
        if constant:
            said.append(f"{listed(constant)} {'has' if len(constant) == 1 else 'have'} one value only.")
        said += [f"{listed(group)} are the same column." for group in twins]
        return self.finding(
            Verdict.NOTE if said else Verdict.PASS,
            " ".join(said) or f"None of {counted(X.n_columns, 'column')} is constant, and no two are equal.",
            how=f"All {len(X):,} known rows. Columns are equal when their values correspond one to "
            "one, or, for numbers with many values, when they have the same order.",
            measures=(
                Measure(name="constant columns", value=float(len(constant)), n=len(X), unit="columns"),
                Measure(name="groups of equal columns", value=float(len(twins)), n=len(X), unit="groups"),
            ),
            remedy="Drop what says nothing or the same twice: importance is split between equal columns.",
            weight=float(len(said)),
        )


def constant_columns(X: Table) -> list[str]:
    """Names of columns whose every row has the same value (or is missing)."""
    return [name for name in X.names if len(np.unique(level_codes(X.column(name)))) < 2]


def equal_columns(X: Table) -> list[list[str]]:
    """Return groups of columns that say the same.

    Columns with few values are the same when the values correspond one to one; numbers with many values when they
    have the same order, forwards or backwards. Constant columns and names that hardly repeat are left out.
    """
    found: dict[bytes, list[str]] = {}
    for name in X.names:
        values = X.column(name)
        codes = level_codes(values)
        levels = int(codes.max()) + 1
        if levels > FEW_LEVELS and values.dtype.kind == "f":
            codes = _order_of(values)
        elif levels < 2 or levels > len(codes) / 2:
            continue
        found.setdefault(codes.tobytes(), []).append(name)
    return [names for names in found.values() if len(names) > 1]


def _order_of(values: Array) -> Array:
    """Return the rank of each number (-1 where missing), turned so that the first two values met ascend."""
    present = ~np.isnan(values)
    ranks = np.full(len(values), -1, dtype=np.int64)
    inside = np.unique(values[present], return_inverse=True)[1]
    moved = inside[inside != inside[0]]
    ranks[present] = inside.max() - inside if moved[0] < inside[0] else inside
    return ranks


def level_codes(values: Array) -> Array:
    """Each row's level, numbered in the order of first appearance."""
    keys = [key_of(value) for value in values.tolist()]
    first = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return np.array([first[key] for key in keys], dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class RepeatedRows(Question):
    """Rows that occur more than once."""

    def run(self, subject: Subject) -> Finding:
        """Count rows that repeat an earlier one in all features and the target."""
        columns = [level_codes(subject.X.column(name)) for name in subject.X.names]
        rows = list(zip(*columns, subject.y.tolist(), strict=True))
        repeated = len(rows) - len(set(rows))
        features = [row[:-1] for row in rows]
        contradicting = len(set(rows)) - len(set(features))
        low, high = wilson(repeated / len(rows), len(rows))
        measure = Measure(
            name="repeated rows", value=repeated / len(rows), low=low, high=high, n=len(rows), unit="share"
        )
        verdict = Verdict.NOTE if low > 0.01 else Verdict.PASS
        return self.finding(
            verdict,
            f"{of_measure(measure)} of {subject.counted_rows()} repeat an earlier row in all features and the target."
            if repeated
            else f"No two of {subject.counted_rows()} are equal in all features and the target.",
            detail=f"{counted(contradicting, 'combination')} of features occur with more than one target."
            if contradicting
            else "",
            how="Rows compared in all features and the target.",
            measures=(measure,),
            remedy="Find out whether they are the same cases: repeats make intervals too narrow.",
            weight=measure.value,
        )


@dataclass(frozen=True, kw_only=True)
class Representation(Question):
    """How many rows each group has."""

    def run(self, subject: Subject) -> Finding:
        """Count rows by group of every sensitive feature."""
        require_groups(subject)
        verdicts, said, rows = [], [], []
        policy = subject.policy
        for grouping, hidden in subject.columns_of_groups:
            name = grouping.name
            sizes = {label: size for label, size in grouping.sizes().items() if label not in hidden}
            thin = [label for label, size in sizes.items() if size / subject.n < policy.representation_warn]
            few = [label for label, size in sizes.items() if size < policy.min_evidence]
            verdicts.append(Verdict.WARN if thin or few or hidden else Verdict.PASS)
            said.append(_representation_words(name, sizes, [*dict.fromkeys([*thin, *few])], len(hidden), subject.n))
            rows += [(f"{name} = {label}", size, name) for label, size in sizes.items()]
        verdict = worst(verdicts)
        return self.finding(
            verdict,
            " ".join(said),
            how=f"Rows counted by group; groups below {policy.min_group_size} rows are withheld.",
            measures=tuple(
                Measure(name=label, value=size / subject.n, n=subject.n, unit="share") for label, size, _ in rows
            ),
            exhibits=(
                Exhibit(
                    kind="bars",
                    title="Rows by group",
                    description="Share of the rows in every group that may be shown.",
                    table={
                        "label": [label for label, _, _ in rows],
                        "value": [size / subject.n for _, size, _ in rows],
                        "n": [size for _, size, _ in rows],
                    },
                    options={"x_title": "share of rows"},
                ),
            ),
            remedy="Collect more rows of these groups before anything is said about them.",
        )


def _representation_words(name: str, sizes: dict[str, int], thin: list[str], hidden: int, n: int) -> str:
    withheld = f" {counted(hidden, 'group')} too small to be shown." if hidden else ""
    if not sizes:
        return f"By {named(name)} every group is too small to be shown."
    smallest = min(sizes, key=lambda label: sizes[label])
    if thin:
        return (
            f"By {named(name)}, {listed(thin)} {'has' if len(thin) == 1 else 'have'} few rows; the smallest group, "
            f"{named(smallest)}, has {sizes[smallest]:,} of {n:,} ({percent(sizes[smallest] / n)}).{withheld}"
        )
    return (
        f"By {named(name)}, the smallest group shown, {named(smallest)}, has {sizes[smallest]:,} of {n:,} rows "
        f"({percent(sizes[smallest] / n)}).{withheld}"
    )


_SECTION = Section.SUBJECT
SUBJECT = SubjectFound(
    code="PEL101", title="What was audited", section=_SECTION, needs_model=False,
    why="A finding holds for this model and these rows, and for nothing else.",
)  # fmt: skip
MISSING = MissingValues(
    code="PEL102", title="Missing values", section=_SECTION, needs_model=False,
    why="What is missing is filled in by a rule, and the rule decides for the person.",
)  # fmt: skip
COLUMNS = RepeatedColumns(
    code="PEL103", title="Constant and equal columns", section=_SECTION, needs_model=False,
    why="A column that says nothing, or the same as another, makes every statement about features harder to read.",
)  # fmt: skip
ROWS = RepeatedRows(
    code="PEL104", title="Repeated rows", section=_SECTION, needs_model=False,
    why="Rows that are counted twice make every figure look surer than it is.",
)  # fmt: skip
REPRESENTATION = Representation(
    code="PEL105", title="Representation", section=_SECTION, needs_model=False,
    why="About a group with few rows nothing can be said with confidence.",
)  # fmt: skip
