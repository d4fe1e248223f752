"""PEL605 and PEL606: small changes of the input, and rows outside what was seen in training."""

from dataclasses import dataclass

import numpy as np

from pellucid._base.numbers import figure, percent
from pellucid._base.randomness import stream
from pellucid._base.statistics import wilson
from pellucid._base.typing import Array, Bool1, Bool2, Float2, Int2
from pellucid._base.words import counted
from pellucid.auditing.checks.base import NotApplicable, Question
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.metrics import bootstrap, mean_of
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import key_of, named, of_measure
from pellucid.table import Table

REPEATS = 10
FAST_REPEATS = 3
MOST_ROWS = 2000
RANK_STEP = 0.02
SWAP = 0.02
MOST_SHOWN = 10
MANY_VALUES = 20


def noisy_index(X: Table, random_state: int, repeat: int) -> Int2:
    """For each cell the row to take its value from, so that values stay real and dtypes unchanged.

    A number moves to a neighbour in rank, normally 2 % of the rows away; a category (or a number with two values)
    becomes that of a random row with probability 2 %. What is missing stays missing.
    """
    draw = stream(random_state, "audit.noise", repeat)
    index = np.tile(np.arange(len(X))[:, None], (1, X.n_columns))
    for j, name in enumerate(X.names):
        values = X.column(name)
        numeric = values.dtype.kind == "f"
        present = np.flatnonzero(~np.isnan(values) if numeric else np.array([v is not None for v in values.tolist()]))
        if len(present) < 2:
            continue
        if numeric and len(np.unique(values[present])) > 2:
            order = present[np.argsort(values[present], kind="stable")]
            step = np.rint(draw.normal(0, RANK_STEP * len(order), len(order))).astype(np.int64)
            index[order, j] = order[np.clip(np.arange(len(order)) + step, 0, len(order) - 1)]
        else:
            swapped = present[draw.random(len(present)) < SWAP]
            index[swapped, j] = draw.choice(present, size=len(swapped))
    return index


@dataclass(frozen=True, kw_only=True)
class NoiseRobustness(Question):
    """How often small errors in the input change the decision."""

    def run(self, subject: Subject) -> Finding:
        """Disturb every row several times and predict again."""
        rows = subject.sample_rows("audit.noise.rows", MOST_ROWS)
        X, before = subject.X.take(rows), subject.scores[rows]
        repeats = FAST_REPEATS if subject.fast else REPEATS
        change = np.zeros(len(rows))
        for repeat in range(repeats):
            after = subject.score_rows(X.gather(noisy_index(X, subject.random_state, repeat)))
            change += _changed(subject, before, after) / repeats
        numeric = subject.classes is None
        name = "mean change" if numeric else "decisions changed"
        found = bootstrap({name: mean_of(change)}, subject.weights[rows], subject.random_state, "audit.noise.interval")[
            name
        ]
        measure = Measure(
            name=name, value=found.value, low=found.low, high=found.high, n=found.n,
            unit="of the outputs’ mean deviation" if numeric else "share",
        )  # fmt: skip
        limit = subject.policy.noise_change_warn if numeric else subject.policy.noise_flips_warn
        verdict = Verdict.WARN if measure.low is not None and measure.low > limit else Verdict.PASS
        what = (
            f"Small errors in the inputs move the prediction by {of_measure(measure)} on average"
            if numeric
            else f"Small errors in the inputs change {of_measure(measure)} of the decisions"
        )
        return self.finding(
            verdict,
            f"{what} ({counted(len(rows), 'row')}, each disturbed {repeats} times).",
            how=f"Every number moved to a neighbour in rank (normally {100 * RANK_STEP:g} % of the rows away), every "
            f"category exchanged with a random row’s with probability {100 * SWAP:g} %, all columns at once.",
            measures=(measure,),
            remedy="Decisions near the cut-off are not dependable: let a person look at them, or use a smoother model.",
            weight=measure.value,
        )


def _changed(subject: Subject, before: Float2, after: Float2) -> Array:
    """Per row whether the decision changed; for a number how far, in mean absolute deviations of the outputs."""
    if subject.classes is not None:
        return np.asarray(subject.decide(before) != subject.decide(after), dtype=float)
    spread = float(np.abs(before - before.mean()).mean())
    return np.asarray(np.abs(after - before)[:, 0] / spread) if spread > 0 else np.zeros(len(before))


@dataclass(frozen=True, kw_only=True)
class Extrapolation(Question):
    """Rows with a value that training never showed."""

    def run(self, subject: Subject) -> Finding:
        """Compare every column with its training range or categories."""
        if subject.X_train is None:
            raise NotApplicable("the training data were not given; pass X_train=.")
        outside = outside_training(subject.X, subject.X_train)
        rows: Bool1 = np.asarray(outside.any(axis=1))
        share = float(rows.mean())
        low, high = wilson(share, subject.n)
        measure = Measure(name="rows outside training", value=share, low=low, high=high, n=subject.n, unit="share")
        chance = exceeded_by_chance(subject.X, subject.X_train)
        verdict = Verdict.WARN if low > chance + subject.policy.extrapolation_warn else Verdict.PASS
        per_column = outside.sum(axis=0)
        order = [j for j in np.argsort(-per_column, kind="stable") if per_column[j]][:MOST_SHOWN]
        most = (
            f" Most often it is {named(subject.X.names[order[0]])} ({counted(int(per_column[order[0]]), 'row')})."
            if order
            else ""
        )
        many = f"{of_measure(measure)} of {subject.counted_rows()} have"
        return self.finding(
            verdict,
            f"{many if order else f'None of {subject.counted_rows()} has'} a value that training never showed.",
            detail=f"Such a value is a number beyond the range, a new category, or a missing value where none was "
            f"missing. Of rows like the training rows about {percent(chance)} would have one."
            f"{most}{_predictions_there(subject, rows)}",
            how="Every column compared with the smallest and largest number, or the categories, of the training data. "
            "Some rows exceed a range by chance, the more columns the more; the tolerance is counted from there.",
            measures=(measure,),
            exhibits=(
                Exhibit(
                    kind="table",
                    title="Columns outside the training range",
                    description="Rows whose value lies outside what training showed, by column.",
                    table={
                        "column": [subject.X.names[j] for j in order],
                        "rows": [int(per_column[j]) for j in order],
                        "share": [float(per_column[j] / subject.n) for j in order],
                    },
                ),
            )
            if order
            else (),
            remedy="The model guesses there: train on such rows, or do not decide them by model.",
            weight=share,
        )


def exceeded_by_chance(X: Table, train: Table) -> float:
    """Return the share of rows of the same population that exceed the range of some numeric column.

    A further draw is the smallest or largest of m + 1 with probability 2 / (m + 1); columns are taken as independent.
    """
    inside = 1.0
    for name in X.names:
        known = train.column(name)
        if known.dtype.kind == "f" and len(np.unique(known)) > MANY_VALUES:
            inside *= 1 - 2 / (int((~np.isnan(known)).sum()) + 1)
    return 1 - inside


def outside_training(X: Table, train: Table) -> Bool2:
    """Cells (rows, columns) with a value that training never showed."""
    result = np.zeros((len(X), X.n_columns), dtype=bool)
    for j, name in enumerate(X.names):
        values, known = X.column(name), train.column(name)
        result[:, j] = _outside(values, known)
    return result


def _outside(values: Array, known: Array) -> Bool1:
    if values.dtype.kind == "f" and known.dtype.kind == "f":
        present = known[~np.isnan(known)]
        missing = np.isnan(values)
        new_missing = missing & (len(present) == len(known))
        if not len(present):
            return ~missing
        return np.asarray(new_missing | (values < present.min()) | (values > present.max()))
    seen = {key_of(value) for value in known.tolist()}
    return np.array([key_of(value) not in seen for value in values.tolist()], dtype=bool)


def _predictions_there(subject: Subject, rows: Bool1) -> str:
    """Mean prediction outside and inside, where there are enough rows to say it."""
    if min(rows.sum(), (~rows).sum()) < subject.policy.min_group_size or subject.task == "multiclass":
        return ""
    score = subject.raw[:, 0] if subject.classes is None else subject.scores[:, 1]
    write = percent if subject.probability is not None and subject.classes is not None else figure
    what = "prediction" if subject.classes is None else f"score of {named(subject.classes[1])}"
    return (
        f" The mean {what} is {write(float(score[rows].mean()))} there and {write(float(score[~rows].mean()))} "
        "elsewhere."
    )


NOISE = NoiseRobustness(
    code="PEL605",
    title="Robustness to small errors",
    section=Section.RELIABILITY,
    why="Data have typing errors and rounding; a decision should not hang on them.",
)
EXTRAPOLATION = Extrapolation(
    code="PEL606",
    title="Extrapolation",
    section=Section.RELIABILITY,
    why="Outside what it has seen a model’s output is a guess, and nothing in the number says so.",
)
