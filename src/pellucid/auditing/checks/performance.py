"""PEL201 and PEL202: how well the model works, on the whole and by group."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from pellucid._base.numbers import percent, percent_interval
from pellucid._base.typing import Array, Float1
from pellucid.auditing.checks.base import NotApplicable, Question, require_groups, worst
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.metrics import (
    OfWeights,
    Predictions,
    beyond_chance,
    bootstrap,
    brier_loss,
    figures,
    measure_of,
    percentiles,
    replicated,
)
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import named, of_measure
from pellucid.fairness.groups import Grouping

HOW = "Held-out rows; 95 % intervals from resampling the rows (percentile bootstrap)."


def predictions_of(subject: Subject) -> Predictions:
    """Scores and truth of the held-out rows."""
    if subject.classes is None:
        return Predictions(scores=subject.raw, truth=subject.y.astype(float), decided=None, probabilistic=False)
    return Predictions(
        scores=subject.scores,
        truth=subject.y_index,
        decided=subject.predicted_index,
        probabilistic=subject.probability is not None,
    )


def baseline_of(subject: Subject) -> tuple[Array, str]:
    """Return what would be predicted without looking (class shares or the mean), and where it comes from."""
    source = subject.y if subject.y_train is None else subject.y_train
    where = "held-out" if subject.y_train is None else "training"
    if subject.classes is None:
        return np.array([source.astype(float).mean()]), f"the mean of the {where} data"
    counts = np.array([np.sum(source == label) for label in subject.classes], dtype=float)
    return counts / counts.sum(), f"the class shares of the {where} data"


@dataclass(frozen=True, kw_only=True)
class Performance(Question):
    """The usual figures, and whether they beat not looking at all."""

    def run(self, subject: Subject) -> Finding:
        """Measure every figure that fits the task."""
        predictions = predictions_of(subject)
        base, base_name = baseline_of(subject)
        of = {**figures(predictions), "skill": _skill(predictions, base)}
        found = bootstrap(of, subject.weights, subject.random_state, "audit.performance")
        skill = found.pop("skill")
        verdict = _judge(skill, subject.policy.skill_warn)
        without = _baseline_figures(predictions, base, subject.weights)
        return self.finding(
            verdict,
            _sentence(found, skill, verdict, subject),
            detail=_words_on_constant(without, skill, base_name, subject),
            how=f"{HOW} The baseline predicts {base_name} for everybody.",
            measures=(*found.values(), skill),
            exhibits=(_table(found, without), *_confusion(subject)),
            remedy="Do not use this model for decisions: a constant does as well.",
            weight=1 - skill.value,
        )


def _skill(predictions: Predictions, base: Array) -> OfWeights:
    """Share of the baseline's loss that the model saves: Brier skill, R² against the baseline, or 2 AUC − 1."""
    scores, truth = predictions.scores, predictions.truth
    if predictions.decided is None:
        loss, naive = (truth - scores[:, 0]) ** 2, (truth - base[0]) ** 2
    elif predictions.probabilistic:
        loss, naive = brier_loss(scores, truth), brier_loss(np.tile(base, (len(truth), 1)), truth)
    else:
        ranked = figures(predictions)
        main = next(iter(ranked.values()))
        return lambda weight: 2 * main(weight) - 1
    return lambda weight: float(1 - weight @ loss / (weight @ naive)) if weight @ naive > 0 else float("nan")


def _judge(skill: Measure, least: float) -> Verdict:
    if skill.low is None or skill.high is None:
        return Verdict.NOTE
    if skill.high <= least:
        return Verdict.FAIL
    return Verdict.WARN if skill.low <= least else Verdict.PASS


def _baseline_figures(predictions: Predictions, base: Array, weights: Float1) -> dict[str, float]:
    scores = np.tile(base, (len(predictions.truth), 1))
    decided = None if predictions.decided is None else np.full(len(scores), int(base.argmax()))
    naive = Predictions(
        scores=scores, truth=predictions.truth, decided=decided, probabilistic=predictions.probabilistic
    )
    return {name: of(weights) for name, of in figures(naive).items()}


def _sentence(found: dict[str, Measure], skill: Measure, verdict: Verdict, subject: Subject) -> str:
    main, second = list(found.values())[:2]
    rows = subject.counted_rows()
    judged = {
        Verdict.PASS: "",
        Verdict.FAIL: f" The model is no better than a constant: skill {of_measure(skill)}.",
    }.get(verdict, f" The model cannot be told from a constant: skill {of_measure(skill)}.")
    if subject.classes is None:
        return f"On {rows} the R² is {of_measure(main)} and the typical error (RMSE) {of_measure(second)}.{judged}"
    return f"On {rows} the {main.name} is {of_measure(main)}, and {of_measure(second)} of decisions are right.{judged}"


def _words_on_constant(without: dict[str, float], skill: Measure, base_name: str, subject: Subject) -> str:
    if subject.classes is None:
        saved = percent_interval(skill.value, skill.low, skill.high)
        return f"Against predicting {base_name} for everybody, the model saves {saved} of the squared error."
    return f"Always naming the commonest class would be right in {percent(without['accuracy'])}."


def _table(found: dict[str, Measure], without: dict[str, float]) -> Exhibit:
    rows = list(found.values())
    return Exhibit(
        kind="table",
        title="Figures on held-out data",
        description="; ".join(f"{row.name} {of_measure(row)}" for row in rows) + ".",
        table={
            "figure": [row.name for row in rows],
            "value": [row.value for row in rows],
            "low": [row.low for row in rows],
            "high": [row.high for row in rows],
            "constant": [_finite(without[row.name]) for row in rows],
        },
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _confusion(subject: Subject) -> tuple[Exhibit, ...]:
    """Return counts of truth against decision."""
    if subject.classes is None or len(subject.classes) > 12:
        return ()
    labels = [str(label) for label in subject.classes.tolist()]
    k = len(labels)
    counts = np.bincount(subject.y_index * k + subject.predicted_index, minlength=k * k).reshape(k, k)
    return (
        Exhibit(
            kind="table",
            title="Truth against decision",
            description=f"{np.trace(counts)} of {counts.sum()} rows lie on the diagonal, where decision and truth "
            "agree.",
            table={"truth": labels, **{f"decided {label}": counts[:, j].tolist() for j, label in enumerate(labels)}},
        ),
    )


@dataclass(frozen=True, kw_only=True)
class GroupPerformance(Question):
    """The main figure for every group of each sensitive feature."""

    def run(self, subject: Subject) -> Finding:
        """Measure the main figure by group and the largest difference."""
        require_groups(subject)
        predictions = predictions_of(subject)
        rows: list[dict[str, object]] = []
        gaps: list[tuple[Measure, str, Verdict]] = []
        for grouping, hidden in subject.columns_of_groups:
            judged = _by_group(subject, predictions, grouping, hidden, rows)
            if len(judged) > 1:
                gaps.append(_gap(subject, grouping.name, judged))
        if not gaps:
            raise NotApplicable("no sensitive feature has two groups large enough to compare.")
        gaps.sort(key=lambda item: -item[0].value)
        main = next(iter(figures(predictions)))
        verdict = worst([item[2] for item in gaps])
        return self.finding(
            verdict,
            gaps[0][1],
            detail=" ".join(item[1] for item in gaps[1:]),
            how=f"{HOW} Groups below {subject.policy.min_group_size} rows are withheld; below "
            f"{subject.policy.min_evidence} rows they are shown but not judged. "
            "Whether a gap is more than chance is judged over all groups at once.",
            measures=tuple(item[0] for item in gaps),
            exhibits=(_group_exhibit(rows, main),),
            remedy="Collect more data of the group it serves worst, and look at its errors.",
            weight=gaps[0][0].value,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Group:
    """The main figure of one group that has enough rows, and its replicates."""

    label: str
    measure: Measure
    drawn: Float1


def _by_group(
    subject: Subject,
    predictions: Predictions,
    grouping: Grouping,
    hidden: Collection[str],
    rows: list[dict[str, object]],
) -> list[_Group]:
    """Return the groups that can be judged; every group gets a row of the exhibit."""
    name, judged = grouping.name, []
    for label, size in grouping.sizes().items():
        if label in hidden:
            rows.append({"label": f"{name} = {label}", "note": "withheld: too few rows"})
            continue
        inside = grouping.rows(label)
        of = figures(predictions.take(inside))
        main, weights = next(iter(of)), subject.weights[inside]
        drawn = replicated({main: of[main]}, weights, subject.random_state, f"audit.group.{name}.{label}")[:, 0]
        result = measure_of(main, of[main](weights), drawn, size)
        defined = bool(np.isfinite(result.value)) and result.low is not None
        enough = defined and size >= subject.policy.min_evidence
        rows.append({
            "label": f"{name} = {label}", "group": name, "n": size,
            "value": result.value if defined else None, "low": result.low, "high": result.high,
            "note": "" if enough else "insufficient evidence",
        })  # fmt: skip
        if enough:
            judged.append(_Group(label=label, measure=result, drawn=drawn))
    return judged


def _gap(subject: Subject, name: str, judged: list[_Group]) -> tuple[Measure, str, Verdict]:
    """Return the difference between the best and the worst served group, a sentence and a verdict."""
    ordered = sorted(judged, key=lambda group: group.measure.value)
    worst_served, best_served = ordered[0], ordered[-1]
    main = worst_served.measure.name
    low, high = percentiles(best_served.drawn - worst_served.drawn)
    value = best_served.measure.value - worst_served.measure.value
    gap = Measure(name=f"{main} gap by {name}", value=value, low=low, high=high, n=subject.n)
    clear = beyond_chance(
        np.array([group.measure.value for group in judged]), np.stack([group.drawn for group in judged], axis=1)
    )
    verdict = Verdict.WARN if clear and gap.value > subject.policy.group_performance_warn else Verdict.PASS
    tail = "more than chance explains" if clear else "which chance alone can explain"
    sentence = (
        f"By {named(name)}, the {main} runs from {of_measure(worst_served.measure)} for {named(worst_served.label)} to "
        f"{of_measure(best_served.measure)} for {named(best_served.label)}: a gap of {of_measure(gap)}, {tail}."
    )
    return gap, sentence, verdict


def _group_exhibit(rows: list[dict[str, object]], main: str) -> Exhibit:
    columns = ("label", "value", "low", "high", "group", "n", "note")
    return Exhibit(
        kind="intervals",
        title=f"{main} by group",
        description=f"The {main} with its 95 % interval for every group that may be shown.",
        table={column: [row.get(column) for row in rows] for column in columns},
        options={"x_title": main},
    )


PERFORMANCE = Performance(
    code="PEL201",
    title="Performance",
    section=Section.PERFORMANCE,
    why="A model that is no better than a constant should not decide anything, however well it is explained.",
)
GROUP_PERFORMANCE = GroupPerformance(
    code="PEL202",
    title="Performance by group",
    section=Section.PERFORMANCE,
    why="A good average can hide a group for which the model hardly works.",
)
