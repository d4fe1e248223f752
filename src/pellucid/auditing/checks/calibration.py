"""PEL203 and PEL204: whether predicted shares (or numbers) are what then happens."""

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from pellucid._base.numbers import figure, percent, points_interval
from pellucid._base.randomness import stream
from pellucid._base.statistics import Z, wilson
from pellucid._base.typing import Float1, Int1
from pellucid._base.words import counted, leading
from pellucid.auditing.checks.base import NotApplicable, Question, require_groups
from pellucid.auditing.checks.groups import of_group
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.metrics import bootstrap, mean_of, percentiles, resamples
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import named, of_measure

BINS = 10
GROUP_BINS = 5
SIMULATIONS = 400


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """Predicted and observed values of one class (or the number), one per row."""

    name: str
    predicted: Float1
    observed: Float1
    weight: Float1
    share: bool

    def take(self, rows: Int1, name: str) -> "Series":
        """Return the part with these rows."""
        return Series(
            name=name,
            predicted=self.predicted[rows],
            observed=self.observed[rows],
            weight=self.weight[rows],
            share=self.share,
        )


def series_of(subject: Subject) -> list[Series]:
    """One series per class of interest; the second of two classes, every one of many."""
    if subject.classes is None:
        truth = subject.y.astype(float)
        return [
            Series(name="prediction", predicted=subject.raw[:, 0], observed=truth, weight=subject.weights, share=False)
        ]
    if subject.probability is None:
        raise NotApplicable("the model has no probabilities, only scores.")
    wanted = [1] if subject.task == "binary" else range(len(subject.classes))
    return [
        Series(
            name=str(subject.classes[k]),
            predicted=subject.probability[:, k],
            observed=(subject.y_index == k).astype(float),
            weight=subject.weights,
            share=True,
        )
        for k in wanted
    ]


def bins_of(predicted: Float1, count: int) -> Int1:
    """Bin of each row: equal numbers of rows, equal predictions together."""
    cuts = np.unique(np.quantile(predicted, np.linspace(0, 1, count + 1)[1:-1]))
    return np.searchsorted(cuts, predicted, side="left")


def distance(observed: Float1, predicted: Float1, weight: Float1, bins: Int1) -> float:
    """Mean over the rows of |observed mean − predicted mean| of their bin (expected calibration error)."""
    gap = np.bincount(bins, weight * (observed - predicted))
    return float(np.abs(gap).sum() / weight.sum())


@dataclass(frozen=True, kw_only=True)
class Calibration(Question):
    """Distance between predicted and observed, against what chance alone makes of it."""

    def run(self, subject: Subject) -> Finding:
        """Measure every class; judge the worst."""
        each = series_of(subject)
        scored = sorted(((_measure(subject, one, len(each)), one) for one in each), key=lambda pair: -pair[0][0].value)
        (measure, expected, limit), worst = scored[0]
        clear = measure.value > limit
        verdict = Verdict.WARN if clear and measure.value > subject.policy.calibration_warn else Verdict.PASS
        of = f"the predicted share of {named(worst.name)}" if worst.share else "the predicted number"
        unit = "" if worst.share else " standard deviations"
        write = percent if worst.share else figure
        judged = "more than" if clear else "no more than"
        return self.finding(
            verdict,
            f"On {subject.counted_rows()} {of} and what then happened differ by {difference_words(measure)} on "
            f"average, {judged} chance explains.",
            detail=f"On such rows a model without any fault of this kind would show {write(expected)}{unit}, and at "
            f"most {write(limit)}{unit} in 95 % of samples; the tolerance is "
            f"{write(subject.policy.calibration_warn)}{unit}.",
            how=f"Rows in up to {BINS} bins of equal size by prediction; mean distance of the bins, weighted by rows. "
            f"The figure of a model without fault comes from {SIMULATIONS} simulated targets.",
            measures=tuple(found[0] for found, _ in scored),
            exhibits=(exhibit(each, BINS, "Predicted and observed", grouped=len(each) > 1),),
            remedy="Recalibrate on data the model was not trained on (isotonic or sigmoid), and do not read its "
            "scores as shares.",
            weight=measure.value,
        )


def difference_words(measure: Measure) -> str:
    """Write a difference between shares in percentage points, another in its unit."""
    if measure.unit == "share":
        return points_interval(measure.value, measure.low, measure.high)
    return of_measure(measure)


def _measure(subject: Subject, one: Series, of_several: int) -> tuple[Measure, float, float]:
    """Return the distance, its mean under perfect calibration, and what 95 % of samples stay below there.

    The worst of several classes is reported, so each has its share of the 5 % (Bonferroni).
    """
    bins = bins_of(one.predicted, BINS)
    scale = 1.0 if one.share else max(float(one.observed.std()), np.finfo(float).tiny)
    value = distance(one.observed, one.predicted, one.weight, bins) / scale
    drawn = np.array([
        distance(one.observed, one.predicted, w, bins) / scale
        for w in resamples(one.weight, subject.random_state, "audit.calibration")
    ])  # fmt: skip
    low, high = percentiles(drawn)
    ideal = (_ideal(one, subject.random_state, b) for b in range(SIMULATIONS))
    null = np.array([distance(target, one.predicted, one.weight, bins) / scale for target in ideal])
    unit = "share" if one.share else "standard deviations"
    measure = Measure(
        name=f"calibration distance of {one.name}", value=value, low=low, high=high, n=len(bins), unit=unit
    )
    return measure, float(null.mean()), float(np.quantile(null, 1 - 0.05 / of_several))


def _ideal(one: Series, random_state: int, replicate: int) -> Float1:
    """Return a target for which the predictions are right on average: coin tosses, or errors with random signs."""
    draw = stream(random_state, "audit.calibration.ideal", replicate).random(len(one.predicted))
    if one.share:
        return (draw < one.predicted).astype(float)
    return np.asarray(one.predicted + np.where(draw < 0.5, 1.0, -1.0) * (one.observed - one.predicted))


def exhibit(each: list[Series], count: int, title: str, *, grouped: bool) -> Exhibit:
    """Bins of predicted against observed with intervals."""
    columns: dict[str, list[object]] = {name: [] for name in ("predicted", "observed", "low", "high", "n", "group")}
    for one in each:
        bins = bins_of(one.predicted, count)
        for b in np.unique(bins):
            inside = bins == b
            observed, weight = one.observed[inside], one.weight[inside]
            if weight.sum() <= 0:
                continue
            mean = float(weight @ observed / weight.sum())
            low, high = _bin_interval(mean, observed, one.share)
            columns["predicted"].append(float(weight @ one.predicted[inside] / weight.sum()))
            columns["observed"].append(mean)
            columns["low"].append(low)
            columns["high"].append(high)
            columns["n"].append(int(inside.sum()))
            columns["group"].append(one.name)
    if not grouped:
        del columns["group"]
    return Exhibit(
        kind="calibration",
        title=title,
        description="Mean prediction of each bin against what was observed there, with 95 % intervals; on the diagonal "
        "the two agree.",
        table=columns,
    )


def _bin_interval(mean: float, observed: Float1, share: bool) -> tuple[float, float]:
    if share:
        return wilson(mean, len(observed))
    half = Z * float(observed.std(ddof=1)) / np.sqrt(len(observed)) if len(observed) > 1 else 0.0
    return mean - half, mean + half


@dataclass(frozen=True, kw_only=True)
class GroupCalibration(Question):
    """Observed minus predicted, by group: who is over- and who is underestimated."""

    def run(self, subject: Subject) -> Finding:
        """Measure the mean difference for every group that may be shown."""
        require_groups(subject)
        one = series_of(subject)[-1]
        scale = 1.0 if one.share else max(float(one.observed.std()), np.finfo(float).tiny)
        measures, parts = [], []
        for grouping, hidden in subject.columns_of_groups:
            for label in grouping.labels:
                if label not in hidden:
                    part = one.take(np.flatnonzero(grouping.rows(label)), f"{grouping.name} = {label}")
                    parts.append(part)
                    measures.append(_bias(subject, part, scale))
        if not measures:
            raise NotApplicable("every group is too small to be shown.")
        judged = [
            m for m in measures if m.n >= subject.policy.min_evidence and m.low is not None and m.high is not None
        ]
        off = [m for m in judged if _is_clear(m, len(judged)) and abs(m.value) > subject.policy.calibration_warn]
        off.sort(key=lambda m: -abs(m.value))
        return self.finding(
            Verdict.WARN if off else Verdict.PASS,
            _group_sentence(off, judged, one),
            how="Mean of observed minus predicted by group, with bootstrap intervals; above zero the model "
            f"underestimates. Groups below {subject.policy.min_group_size} rows are withheld, below "
            f"{subject.policy.min_evidence} not judged; the more groups, the clearer a difference must be.",
            measures=tuple(measures),
            exhibits=(
                _bias_exhibit(measures, one),
                exhibit(parts, GROUP_BINS, "Predicted and observed by group", grouped=True),
            ),
            remedy="Recalibrate with enough data of every group, and look for a feature that means different "
            "things in them.",
            weight=abs(off[0].value) if off else 0.0,
        )


def _bias(subject: Subject, part: Series, scale: float) -> Measure:
    name = f"observed − predicted, {part.name}"
    found = bootstrap(
        {name: mean_of((part.observed - part.predicted) / scale)},
        part.weight,
        subject.random_state,
        f"audit.bias.{part.name}",
    )[name]
    unit = "share" if part.share else "standard deviations"
    return Measure(name=name, value=found.value, low=found.low, high=found.high, n=found.n, unit=unit)


def _is_clear(measure: Measure, groups: int) -> bool:
    """Whether the difference is more than chance explains, when so many groups are looked at (Bonferroni)."""
    if measure.low is None or measure.high is None:
        return False
    standard_error = (measure.high - measure.low) / (2 * Z)
    return abs(measure.value) > NormalDist().inv_cdf(1 - 0.025 / groups) * standard_error


def _group_sentence(off: list[Measure], judged: list[Measure], one: Series) -> str:
    what = f"the share of {named(one.name)}" if one.share else "the target"
    if not judged:
        return "Insufficient evidence: no group has enough rows to judge its calibration."
    if not off:
        largest = max(judged, key=lambda m: abs(m.value))
        return (
            f"In no group is {what} clearly over- or underestimated beyond the tolerance; the largest difference is "
            f"{difference_words(largest)} ({group_words(largest)}, {counted(largest.n, 'row')})."
        )
    said = [
        f"{what} is {'under' if m.value > 0 else 'over'}estimated by {difference_words(_size(m))} for "
        f"{group_words(m)} ({counted(m.n, 'row')})"
        for m in off[:2]
    ]
    return leading("; ".join(said) + ".")


def group_words(measure: Measure) -> str:
    """Name the group that a measure of this check is about."""
    name, label = measure.name.split(", ", 1)[1].rsplit(" = ", 1)
    return of_group(name, label)


def _size(measure: Measure) -> Measure:
    """Turn a negative difference around: the sentence says the direction."""
    if measure.value >= 0 or measure.low is None or measure.high is None:
        return measure
    return replace(measure, value=-measure.value, low=-measure.high, high=-measure.low)


def _bias_exhibit(measures: list[Measure], one: Series) -> Exhibit:
    return Exhibit(
        kind="intervals",
        title="Observed minus predicted by group",
        description="Above zero the model underestimates the group, below it overestimates; 95 % intervals.",
        table={
            "label": [m.name.split(", ", 1)[1] for m in measures],
            "value": [m.value for m in measures],
            "low": [m.low for m in measures],
            "high": [m.high for m in measures],
            "n": [m.n for m in measures],
        },
        options={
            "x_title": "observed − predicted" + (" (share)" if one.share else " (standard deviations)"),
            "reference": 0.0,
        },
    )


CALIBRATION = Calibration(
    code="PEL203",
    title="Calibration",
    section=Section.PERFORMANCE,
    why="If scores are read as probabilities, a score of 30 % must mean that it happens in 30 of 100 cases.",
)
GROUP_CALIBRATION = GroupCalibration(
    code="PEL204",
    title="Calibration by group",
    section=Section.PERFORMANCE,
    why="A score that means more risk for one group than for another decides differently about equal people.",
)
