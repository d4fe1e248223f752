"""PEL601 and PEL602: columns that give the answer away, and rows that were seen in training."""

from dataclasses import dataclass

import numpy as np

from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Int1
from pellucid.auditing.checks.base import NotApplicable, Question, worst
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.leaks import MOST_ROWS, Level, column_scores, fold_of_rows, suspect_levels
from pellucid.auditing.metrics import auc, bootstrap, macro_auc, r_squared, wilson
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import counted, key_of, listed, named, of_measure, percent
from pellucid.table import Table

MOST_SHOWN = 12
REPLICATES = 200
LEVEL_ROWS = 30
SAMPLED_LEVEL_ROWS = 10
UNUSED = 0.01


@dataclass(frozen=True, kw_only=True)
class Leakage(Question):
    """Single-column scores out of sample, and levels at which the outcome is nearly decided."""

    def run(self, subject: Subject) -> Finding:
        """Look at every column of all known rows."""
        X, y = subject.all_rows
        truth = _truth(subject, y)
        columns = _alone(subject, X, truth)
        levels, looked = _levels(subject, X, truth)
        judged = [_judge_column(subject, measure) for measure in columns]
        used = [_use_of_level(subject, level) for level in levels]
        judged_levels = [_judge_level(subject, use) for use in used]
        verdict = worst([*judged, *judged_levels])
        sentences = [
            _column_sentence(subject, measure)
            for measure, found in zip(columns, judged, strict=True)
            if found is not Verdict.PASS
        ]
        sentences += [_level_sentence(subject, level, use) for level, use in zip(levels, used, strict=True)]
        if not sentences:
            sentences = [
                f"No column alone gives the answer away: the strongest, {named(columns[0].name)}, reaches "
                f"{_score_name(subject)} {of_measure(columns[0])} over {counted(len(X), 'row')}, and none of {looked} "
                "levels decides the outcome."
            ]
        return self.finding(
            verdict,
            " ".join(sentences),
            how=f"Each column alone predicts the target with a small tree, out of sample ({_rows_used(X)}, 5 folds, "
            "categories encoded within folds). A level is suspect when nearly all its rows have one outcome, when it "
            "at least halves the doubt about that outcome, and when the odds are many times larger there (by the "
            "unfavourable end of the 95 % interval); repeated numbers are compared with their nearest neighbours.",
            measures=(*columns[:MOST_SHOWN], *(_level_measure(level) for level in levels)),
            exhibits=(_column_exhibit(subject, columns), *_level_exhibit(subject, levels, used)),
            remedy=""
            if verdict is Verdict.PASS
            else "Ask when these columns are filled in. What is known only after the decision must not be used: drop "
            "the column, train again, and audit again.",
            weight=max(
                [columns[0].value, *(level.purity + (use or 0.0) for level, use in zip(levels, used, strict=True))]
            ),
        )


def _truth(subject: Subject, y: Array) -> Array:
    if subject.classes is None:
        return y.astype(float)
    position = {label: i for i, label in enumerate(subject.classes.tolist())}
    known = [position.get(label, -1) for label in y.tolist()]
    if -1 in known:
        raise NotApplicable("the training target has classes that the model does not know.")
    return np.array(known, dtype=np.int64)


def _alone(subject: Subject, X: Table, truth: Array) -> list[Measure]:
    """Out-of-sample score of every column alone, the strongest first."""
    rows = _sampled(subject, len(X))
    part, truth = X.take(rows), truth[rows]
    k = None if subject.classes is None else len(subject.classes)
    folds = fold_of_rows(truth, k, subject.random_state)
    of = {}
    for name in X.names:
        scores = column_scores(part.column(name), truth, k, folds)
        if k is None:
            of[name] = r_squared(scores[:, 0], truth)
        else:
            of[name] = auc(scores[:, 1], truth == 1) if k == 2 else macro_auc(scores, truth)
    plain = np.ones(len(rows))
    ordered = sorted(of, key=lambda name: -of[name](plain))[:MOST_SHOWN]
    found = bootstrap(
        {name: of[name] for name in ordered}, plain, subject.random_state, "audit.leak", replicates=REPLICATES
    )
    return [found[name] for name in ordered]


def _sampled(subject: Subject, n: int) -> Int1:
    if n <= MOST_ROWS:
        return np.arange(n)
    chosen = stream(subject.random_state, "audit.leak.rows").choice(n, size=MOST_ROWS, replace=False)
    return np.sort(chosen).astype(np.int64)


def _levels(subject: Subject, X: Table, truth: Array) -> tuple[list[Level], int]:
    if subject.classes is None:
        return [], 0
    policy = subject.policy
    return suspect_levels(
        X, truth, len(subject.classes), fewest=policy.min_group_size, purity=policy.leak_purity, odds=policy.leak_odds
    )


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
    return {"binary": "AUC", "multiclass": "a mean AUC of", "regression": "R²"}[subject.task]


def _column_sentence(subject: Subject, measure: Measure) -> str:
    return (
        f"The column {named(measure.name)} alone nearly gives the answer: {_score_name(subject)} {of_measure(measure)} "
        f"out of sample over {counted(measure.n, 'row')}.{_global_use(subject, measure.name)}"
    )


def _global_use(subject: Subject, name: str) -> str:
    if subject.model is None:
        return ""
    size = np.abs(subject.explanation.values).mean(axis=(0, 2))
    share = float(size[subject.explanation.features.index(name)] / size.sum()) if size.sum() > 0 else 0.0
    return f" It carries {percent(share)} of all attribution."


def _level_sentence(subject: Subject, level: Level, use: float | None) -> str:
    label = named(subject.classes[level.outcome]) if subject.classes is not None else ""
    n = len(level.rows)
    sentence = (
        f"Where {named(level.column)} is {named(level.value)} the outcome is nearly decided: "
        f"{round(level.purity * n)} of "
        f"{counted(n, 'row')} are {label} ({percent(level.purity)} [{percent(level.low)}, "
        f"{percent(level.high)}]), against "
        f"{percent(level.elsewhere)} of the rows it is compared with; these are {percent(level.covered)} of all "
        f"{label}."
    )
    if use is None:
        return sentence
    if use < UNUSED:
        return f"{sentence} The model hardly uses it there ({percent(use)} of the attribution)."
    return f"{sentence} There it carries {percent(use)} of the model's attribution."


def _level_measure(level: Level) -> Measure:
    return Measure(
        name=f"purity of {level.column} = {level.value}",
        value=level.purity, low=level.low, high=level.high, n=len(level.rows), unit="share",
    )  # fmt: skip


def _rows_used(X: Table) -> str:
    return f"{len(X)} rows" if len(X) <= MOST_ROWS else f"a sample of {MOST_ROWS} of {len(X)} rows"


def _column_exhibit(subject: Subject, columns: list[Measure]) -> Exhibit:
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


def _level_exhibit(subject: Subject, levels: list[Level], used: list[float | None]) -> tuple[Exhibit, ...]:
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
        low, high = wilson(int(hits.sum()), subject.n)
        # Rows also repeat by nature (few columns, rounded values): as often as within the training data is no leak.
        verdict = Verdict.WARN if low > max(repeats, 0.01) else Verdict.PASS
        return self.finding(
            verdict,
            f"{counted(int(hits.sum()), 'held-out row')} of {subject.n} ({percent(share)} [{percent(low)}, "
            f"{percent(high)}]) "
            f"also occur in the training data; {percent(repeats)} of the training rows repeat another.",
            how="Rows compared in all features and the target.",
            measures=(
                Measure(name="rows seen in training", value=share, low=low, high=high, n=subject.n, unit="share"),
            ),
            remedy=""
            if verdict is Verdict.PASS
            else "Split again so that no row is in both parts; the figures above are too good.",
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
