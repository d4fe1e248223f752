"""PEL601 and PEL602: columns that give the answer away, and rows that were seen in training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid._base.numbers import percent, percent_interval
from pellucid._base.statistics import wilson
from pellucid._base.typing import Array, Names
from pellucid._base.words import counted
from pellucid.auditing.checks.base import NotApplicable, Question, worst
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.leaks import MOST_ROWS, Level
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import key_of, listed, named, of_measure
from pellucid.table import Table

LEVEL_ROWS = 30
SAMPLED_LEVEL_ROWS = 10
UNUSED = 0.01


@dataclass(frozen=True, kw_only=True)
class Leakage(Question):
    """Single-column scores out of sample, and levels at which the outcome is nearly decided."""

    def run(self, subject: Subject) -> Finding:
        """Look at every column of all known rows."""
        _require_known_classes(subject)
        X, _ = subject.all_rows
        columns, levels = subject.leaks.columns, subject.leaks.levels
        judged = [_judge_column(subject, measure) for measure in columns]
        used = [_use_of_level(subject, level) for level in levels]
        judged_levels = [_judge_level(subject, use) for use in used]
        verdict = worst([*judged, *judged_levels])
        said = [
            _column_words(subject, measure)
            for measure, found in zip(columns, judged, strict=True)
            if found is not Verdict.PASS
        ]
        said += [_level_words(subject, level, use) for level, use in zip(levels, used, strict=True)]
        if not said:
            decides = f" None of {subject.leaks.looked} levels decides the outcome." if subject.leaks.looked else ""
            said = [
                (
                    f"No column alone gives the answer away: the strongest, {named(columns[0].name)}, reaches "
                    f"{_score_name(subject)} {of_measure(columns[0])} over {counted(len(X), 'row')}.",
                    decides.strip(),
                )
            ]
        return self.finding(
            verdict,
            said[0][0],
            detail=" ".join(part for part in (said[0][1], *(part for words in said[1:] for part in words)) if part),
            how=f"Each column alone predicts the target with a small tree, out of sample ({_rows_used(X)}, 5 folds, "
            "categories encoded within folds). A level is suspect when nearly all its rows have one outcome, when it "
            "at least halves the doubt about that outcome, and when the odds are many times larger there (by the "
            "unfavourable end of the 95 % interval); repeated numbers are compared with their nearest neighbours.",
            measures=(*columns, *(_level_measure(level) for level in levels)),
            exhibits=(_column_exhibit(subject, columns), *_level_exhibit(subject, levels, used)),
            remedy="Ask when these columns are filled in. What is known only after the decision must not be used: drop "
            "the column, train again, and audit again.",
            weight=max(
                [columns[0].value, *(level.purity + (use or 0.0) for level, use in zip(levels, used, strict=True))]
            ),
        )


def suspected_leaks(subject: Subject) -> Names:
    """Columns that alone nearly give the answer away, or that have a level that nearly decides it."""
    _require_known_classes(subject)
    alone = {m.name for m in subject.leaks.columns if _judge_column(subject, m) is not Verdict.PASS}
    decided = {level.column for level in subject.leaks.levels}
    return tuple(name for name in subject.X.names if name in alone | decided)


def _require_known_classes(subject: Subject) -> None:
    known = None if subject.classes is None else set(subject.classes.tolist())
    if known is not None and subject.y_train is not None and not known.issuperset(subject.y_train.tolist()):
        raise NotApplicable("the training target has classes that the model does not know.")


def _rows_of_level(subject: Subject, level: Level) -> Table:
    """Return some rows with the level: held-out ones where there are any, else training ones."""
    most = LEVEL_ROWS if subject.structured else SAMPLED_LEVEL_ROWS
    if subject.X_train is None or subject.y_train is None:
        return subject.X.take(level.rows[:most])
    held_out = level.rows[level.rows >= len(subject.X_train)] - len(subject.X_train)
    if len(held_out):
        return subject.X.take(held_out[:most])
    return subject.X_train.take(level.rows[:most])


def _use_of_level(subject: Subject, level: Level) -> float | None:
    """Share of all attribution that the column carries in the level's rows; None without a model."""
    if subject.model is None:
        return None
    explanation = subject.explainer(_rows_of_level(subject, level))
    size = np.abs(explanation.values).mean(axis=(0, 2))
    return float(size[explanation.features.index(level.column)] / size.sum()) if size.sum() > 0 else 0.0


def _judge_column(subject: Subject, measure: Measure) -> Verdict:
    policy = subject.policy
    numeric = subject.classes is None
    warn, fail = (policy.leak_r2_warn, policy.leak_r2_fail) if numeric else (policy.leak_auc_warn, policy.leak_auc_fail)
    low = measure.low if measure.low is not None else -1.0
    if low >= fail:
        return Verdict.FAIL
    return Verdict.WARN if low >= warn else Verdict.PASS


def _judge_level(subject: Subject, use: float | None) -> Verdict:
    return Verdict.FAIL if use is not None and use >= subject.policy.leak_use_fail else Verdict.WARN


def _score_name(subject: Subject) -> str:
    return {"binary": "AUC", "multiclass": "mean AUC", "regression": "R²"}[subject.task]


def _column_words(subject: Subject, measure: Measure) -> tuple[str, str]:
    """Say what the column gives away, and how much the model uses it."""
    return (
        f"{named(measure.name)} looks like a leak: this column alone predicts the target with {_score_name(subject)} "
        f"{of_measure(measure)}, out of sample over {counted(measure.n, 'row')}.",
        _global_use(subject, measure.name),
    )


def _global_use(subject: Subject, name: str) -> str:
    if subject.model is None:
        return ""
    size = np.abs(subject.explanation.values).mean(axis=(0, 2))
    share = float(size[subject.explanation.features.index(name)] / size.sum()) if size.sum() > 0 else 0.0
    return f"{named(name)} carries {percent(share)} of all attribution."


def _level_words(subject: Subject, level: Level, use: float | None) -> tuple[str, str]:
    """Say what happens at the level, and how much the model uses the column there."""
    label = named(subject.classes[level.outcome]) if subject.classes is not None else ""
    n = len(level.rows)
    sentence = (
        f"{named(level.column)} looks like a leak: where it is {named(level.value)}, {round(level.purity * n):,} of "
        f"{counted(n, 'row')} have the outcome {label} ({percent_interval(level.purity, level.low, level.high)}), "
        f"against {percent(level.elsewhere)} elsewhere."
    )
    further = f"These are {percent(level.covered)} of all {label}."
    if use is None:
        return sentence, further
    if use < UNUSED:
        return sentence, f"{further} The model hardly uses it there ({percent(use)} of the attribution)."
    return sentence, f"{further} There {named(level.column)} carries {percent(use)} of the model’s attribution."


def _level_measure(level: Level) -> Measure:
    return Measure(
        name=f"purity of {level.column} = {level.value}",
        value=level.purity, low=level.low, high=level.high, n=len(level.rows), unit="share",
    )  # fmt: skip


def _rows_used(X: Table) -> str:
    return f"{len(X):,} rows" if len(X) <= MOST_ROWS else f"a sample of {MOST_ROWS:,} of {len(X):,} rows"


def _column_exhibit(subject: Subject, columns: Sequence[Measure]) -> Exhibit:
    name = "R²" if subject.classes is None else "AUC"
    return Exhibit(
        kind="bars",
        title="What one column alone can tell",
        description=f"Out-of-sample {name} of single columns, the strongest first: "
        f"{listed([m.name for m in columns])}.",
        table={
            "label": [measure.name for measure in columns],
            "value": [measure.value for measure in columns],
            "low": [measure.low for measure in columns],
            "high": [measure.high for measure in columns],
        },
        options={"x_title": f"{name} of the column alone"},
    )


def _level_exhibit(subject: Subject, levels: Sequence[Level], used: Sequence[float | None]) -> tuple[Exhibit, ...]:
    if not levels or subject.classes is None:
        return ()
    return (
        Exhibit(
            kind="table",
            title="Levels that nearly decide the outcome",
            description=f"{counted(len(levels), 'level')} at which nearly all rows have the same outcome.",
            table={
                "column": [level.column for level in levels],
                "level": [level.value for level in levels],
                "rows": [len(level.rows) for level in levels],
                "outcome": [str(subject.classes[level.outcome]) for level in levels],
                "share": [level.purity for level in levels],
                "low": [level.low for level in levels],
                "high": [level.high for level in levels],
                "share elsewhere": [level.elsewhere for level in levels],
                "odds ratio at least": [level.odds_low for level in levels],
                "attribution there": used,
            },
        ),
    )


@dataclass(frozen=True, kw_only=True)
class SeenRows(Question):
    """Audited rows that occur, target included, among the training rows."""

    def run(self, subject: Subject) -> Finding:
        """Count held-out rows that equal a training row."""
        if subject.X_train is None or subject.y_train is None:
            raise NotApplicable("the training data were not given; pass X_train= and y_train=.")
        seen = set(_keys(subject.X_train, subject.y_train))
        hits = np.array([key in seen for key in _keys(subject.X, subject.y)], dtype=bool)
        repeats = _repeats(subject.X_train, subject.y_train)
        share = float(hits.mean())
        low, high = wilson(share, subject.n)
        # Rows also repeat by nature (few columns, rounded values): as often as within the training data is no leak.
        verdict = Verdict.WARN if low > max(repeats, 0.01) else Verdict.PASS
        return self.finding(
            verdict,
            f"{int(hits.sum()):,} of {subject.counted_rows()} ({percent_interval(share, low, high)}) also occur in the "
            "training data."
            if hits.any()
            else f"None of {subject.counted_rows()} also occurs in the training data.",
            detail=f"{percent(repeats)} of the training rows repeat another.",
            how="Rows compared in all features and the target.",
            measures=(
                Measure(name="rows seen in training", value=share, low=low, high=high, n=subject.n, unit="share"),
            ),
            remedy="Split again so that no row is in both parts; the figures above are too good.",
            weight=share,
        )


def _keys(X: Table, y: Array) -> list[tuple[object, ...]]:
    columns = [[key_of(value) for value in X.column(name).tolist()] for name in X.names]
    return list(zip(*columns, y.tolist(), strict=True))


def _repeats(X: Table, y: Array) -> float:
    keys = _keys(X, y)
    return 1 - len(set(keys)) / len(keys)


LEAKAGE = Leakage(
    code="PEL601",
    title="Leakage",
    section=Section.RELIABILITY,
    why="A column that is filled in after the outcome makes a model look good that cannot work when it is needed.",
    needs_model=False,
)
SEEN_ROWS = SeenRows(
    code="PEL602",
    title="Rows seen in training",
    section=Section.RELIABILITY,
    why="A model tested on rows it has seen is tested on its memory.",
)
