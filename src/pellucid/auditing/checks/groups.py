"""PEL701, PEL702 and PEL703: outcomes, impact ratios and errors of the model by group."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.numbers import interval_text, percent_interval, points_interval
from pellucid._base.typing import Array, Float1
from pellucid._base.words import counted
from pellucid.auditing.checks.base import NotApplicable, Question, require_groups, worst
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.grouping import group_labels
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import named, with_interval
from pellucid.fairness import Comparison, Estimate, GroupMetrics, ImpactRatios, group_metrics, impact_ratios

INTERVALS = (
    "Shares have Wilson intervals, differences Newcombe’s, ratios log-ratio intervals, means bootstrap intervals, all "
    "95 %; with more than two groups the interval of the largest difference is widened for having been picked "
    "(Bonferroni over all pairs)."
)
MOST_FURTHER = 4
RATES = {
    "selection_rate": "share predicted favourable",
    "true_positive_rate": "share of favourable outcomes recognised",
    "false_positive_rate": "share of unfavourable outcomes predicted favourable",
    "positive_predictive_value": "share of favourable predictions that are right",
    "accuracy": "share of predictions that are right",
    "calibration_gap": "mean score minus observed share",
}
NUMBERS = {"mean_error": "mean error", "mean_absolute_error": "mean absolute error"}


@dataclass(frozen=True, kw_only=True, eq=False)
class People:
    """Outcomes and groups of the rows a data figure is about.

    Parameters
    ----------
    y : array of shape (rows,)
    groups : mapping of str to array
    weight : array or None
    where : str
        Which rows these are, in words.
    """

    y: Array
    groups: Mapping[str, Array]
    weight: Float1 | None
    where: str


def everybody(subject: Subject) -> People:
    """Training and held-out rows together where every sensitive column is known of both, else the held-out rows."""
    groups = require_groups(subject)
    train = subject.X_train
    held_out = People(y=subject.y, groups=groups, weight=subject.weight, where=subject.counted_rows())
    if train is None or subject.y_train is None or subject.weight is not None:
        return held_out
    joined = {}
    for name, values in subject.sensitive.items():
        if name not in train.names or group_labels(subject.X.column(name)).tolist() != groups[name].tolist():
            return held_out
        joined[name] = group_labels(np.concatenate([train.column(name), values]))
    y = np.concatenate([subject.y_train, subject.y])
    return People(y=y, groups=joined, weight=None, where=counted(len(y), "row") + ", training and held out")


def shown_outcomes(subject: Subject) -> list[Any]:
    """Outcomes whose share is shown: the unfavourable one of two, the favourable one of many, else every class."""
    if subject.classes is None:
        return [None]
    labels = subject.classes.tolist()
    if subject.task == "binary":
        return [labels[0] if subject.favorable == labels[1] else labels[1]]
    return labels if subject.favorable is None else [subject.favorable]


def judge(subject: Subject, comparison: Comparison, scale: float = 1.0) -> Verdict:
    """Warn of a clear difference above the policy's limit; pass only where a larger one is ruled out."""
    limit = subject.policy.group_gap_warn * scale
    if comparison.value is None or comparison.low is None or comparison.high is None:
        return Verdict.NOTE
    if comparison.evidence == "clear":
        return Verdict.WARN if abs(comparison.value) > limit else Verdict.NOTE
    return Verdict.PASS if max(abs(comparison.low), abs(comparison.high)) <= limit else Verdict.NOTE


def excess(subject: Subject, comparison: Comparison, scale: float = 1.0) -> float:
    """Express a difference in multiples of what the policy tolerates."""
    return abs(comparison.value or 0.0) / scale / max(subject.policy.group_gap_warn, 1e-9)


def of_group(grouping: str, label: str) -> str:
    """Name a group by its column and value."""
    return f"{named(grouping)} = {named(label)}"


def estimate_words(estimate: Estimate, *, share: bool) -> str:
    """Write a number with its interval and size, or why there is none."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return estimate.reason
    write = percent_interval if share else with_interval
    return f"{write(estimate.value, estimate.low, estimate.high)} (n = {estimate.n:,})"


def amount_words(comparison: Comparison, *, share: bool) -> str:
    """Write a difference with its interval, or why there is none."""
    if comparison.value is None or comparison.low is None or comparison.high is None:
        return comparison.reason
    write = points_interval if share else with_interval
    return write(comparison.value, comparison.low, comparison.high)


def difference_words(comparison: Comparison, *, share: bool) -> str:
    """Write a difference with its interval, and say whether it is more than chance."""
    words = f"a difference of {amount_words(comparison, share=share)}"
    few = comparison.evidence == "insufficient"
    return f"{words} (insufficient evidence: {comparison.reason})" if few else words


def comparison_measure(name: str, comparison: Comparison, unit: str) -> Iterator[Measure]:
    """Yield the comparison as a measure, where there is one."""
    if comparison.value is not None:
        yield Measure(
            name=name,
            value=comparison.value,
            low=comparison.low,
            high=comparison.high,
            n=sum(comparison.n),
            unit=unit,
        )


def extremes_sentence(found: GroupMetrics, grouping: str, metric: str, what: str, *, share: bool) -> str:
    """Name the two groups that are furthest apart in one metric, and by how much."""
    comparison = found.difference[grouping][metric]
    if comparison.value is None:
        return f"By {named(grouping)}, the {what} cannot be compared: {comparison.reason}."
    high, low = (found.by_group[grouping][label][metric] for label in comparison.between)
    first, second = (of_group(grouping, label) for label in comparison.between)
    return (
        f"The {what} is {estimate_words(high, share=share)} for {first} and {estimate_words(low, share=share)} for "
        f"{second}, {difference_words(comparison, share=share)}."
    )


def group_rows(found: GroupMetrics, metric: str) -> list[tuple[str, str, Estimate]]:
    """Return one metric of every group, for `interval_table`: its label, its grouping, the number."""
    return [
        (f"{grouping} = {group}", grouping, cell[metric])
        for grouping, groups in found.by_group.items()
        for group, cell in groups.items()
    ]


def interval_table(rows: list[tuple[str, str, Estimate]]) -> dict[str, list[Any]]:
    """Columns of an exhibit of intervals: (label, series, estimate) in; withheld groups keep their line and reason."""
    return {
        "label": [label for label, _, _ in rows],
        "group": [series for _, series, _ in rows],
        **{field: [getattr(found, field) for _, _, found in rows] for field in ("value", "low", "high", "n")},
        "note": [found.reason for _, _, found in rows],
    }


@dataclass(frozen=True, kw_only=True)
class OutcomesByGroup(Question):
    """What happened to each group in the data, before any model."""

    def run(self, subject: Subject) -> Finding:
        """Compare the share of an outcome (or the mean target) between groups."""
        people = everybody(subject)
        measured = [(label, self._measure(subject, people, label)) for label in shown_outcomes(subject)]
        share = subject.classes is not None
        metric = "selection_rate" if share else "mean_outcome"
        scale = 1.0 if share else float(np.std(people.y.astype(float)))
        verdicts, measures, sentences = [], [], []
        for label, found in measured:
            what = f"share with the outcome {named(label)}" if share else "mean target"
            for grouping, comparisons in found.difference.items():
                verdicts.append(judge(subject, comparisons[metric], scale))
                measures += self._measures(found, grouping, metric, what, share=share)
                sentences.append(extremes_sentence(found, grouping, metric, what, share=share))
        return self.finding(
            worst(verdicts),
            f"In the data, before any model: {sentences[0][:1].lower()}{sentences[0][1:]}",
            detail=" ".join(sentences[1:6]),
            how=f"Measured on {people.where}. "
            + INTERVALS
            + f" Groups below {subject.policy.min_group_size} rows are withheld.",
            measures=tuple(measures),
            exhibits=tuple(self._exhibit(label, found, metric) for label, found in measured),
            remedy="Ask how these outcomes came about and who decided them: a model learns them as they are.",
            weight=max(
                excess(subject, found.difference[grouping][metric], scale)
                for _, found in measured
                for grouping in found.difference
            ),
        )

    def _measure(self, subject: Subject, people: People, label: Any) -> GroupMetrics:
        return group_metrics(
            people.y,
            people.y,
            sensitive_features=people.groups,
            favorable=label,
            sample_weight=people.weight,
            floor=subject.policy.min_group_size,
            min_evidence=subject.policy.min_evidence,
            random_state=subject.random_state,
        )

    def _measures(self, found: GroupMetrics, grouping: str, metric: str, what: str, *, share: bool) -> list[Measure]:
        unit = "share" if share else ""
        cells = found.by_group[grouping].items()
        measures = [
            Measure(
                name=f"{what}, {grouping} = {group}",
                value=cell[metric].value,  # type: ignore[arg-type]
                low=cell[metric].low,
                high=cell[metric].high,
                n=cell[metric].n or 0,
                unit=unit,
            )
            for group, cell in cells
            if cell[metric].value is not None
        ]
        named_difference = f"difference in {what} by {grouping}"
        return [*measures, *comparison_measure(named_difference, found.difference[grouping][metric], unit)]

    def _exhibit(self, label: Any, found: GroupMetrics, metric: str) -> Exhibit:
        what = f"share with the outcome {named(label)}" if label is not None else "mean target"
        return Exhibit(
            kind="intervals",
            title=f"Data: {what} by group",
            description=f"The {what} for every group that may be shown, with 95 % intervals.",
            table=interval_table(group_rows(found, metric)),
            options={"x_title": what},
        )


@dataclass(frozen=True, kw_only=True)
class ImpactRatioByGroup(Question):
    """Favourable outcomes of each group against the group that gets most, in the data and by the model."""

    def run(self, subject: Subject) -> Finding:
        """Measure both and set them beside the reference line."""
        people = everybody(subject)
        if subject.classes is None:
            raise NotApplicable("the target is a number, so nobody is selected.")
        if subject.favorable is None:
            raise NotApplicable("which outcome is good for the person is not known; pass favorable=.")
        sources = [("data", people.where, self._ratios(subject, people))]
        if subject.model is not None:
            decided = People(
                y=subject.predicted,
                groups=subject.groups,
                weight=subject.weight,
                where=subject.counted_rows(),
            )
            sources.append(("model", f"{decided.where}, its own cut-off", self._ratios(subject, decided)))
        reference = subject.policy.impact_ratio_reference
        columns = sources[0][2]
        rows = [(source, by[name]) for name in columns for source, _, by in sources if name in by]
        lowest = [item for source, found in rows for item in _lowest(source, found)]
        clear = any(comparison.evidence == "clear" for _, _, _, comparison in lowest)
        return self.finding(
            Verdict.NOTE if clear else Verdict.PASS,
            " ".join(_ratio_sentence(item) for item in lowest[: len(sources)])
            or "No two groups are large enough to be compared.",
            detail=" ".join(_ratio_sentence(item) for item in lowest[len(sources) :]),
            how=f"Share of the favourable outcome {named(subject.favorable)} in a group over the highest share of any "
            f"group. Data: {sources[0][1]}. "
            + "".join(f"Model: {where}. " for _, where, _ in sources[1:])
            + INTERVALS
            + f" The line at {reference:g} (four fifths) is a contested rule of thumb to read figures against; "
            "it decides nothing here.",
            measures=tuple(
                measure
                for source, grouping, label, comparison in lowest
                for measure in comparison_measure(f"impact ratio, {source}, {grouping} = {label}", comparison, "")
            ),
            exhibits=(_ratio_exhibit(rows, reference),),
            weight=max(
                (1 - comparison.value for *_, comparison in lowest if comparison.value is not None), default=0.0
            ),
        )

    def _ratios(self, subject: Subject, people: People) -> Mapping[str, ImpactRatios]:
        if not np.any(people.y == subject.favorable):
            raise NotApplicable(
                f"nobody gets the favourable outcome {named(subject.favorable)}, so no ratio is defined."
            )
        return impact_ratios(
            people.y,
            sensitive_features=people.groups,
            favorable=subject.favorable,
            sample_weight=people.weight,
            floor=subject.policy.min_group_size,
            min_evidence=subject.policy.min_evidence,
        )


def _lowest(source: str, found: ImpactRatios) -> Iterator[tuple[str, str, str, Comparison]]:
    """Yield the group with the lowest ratio, if any two groups can be shown."""
    shown = [
        (label, ratio) for label, ratio in found.ratios.items() if label != found.highest and ratio.value is not None
    ]
    if shown:
        label, ratio = min(shown, key=lambda item: float(item[1].value or 0.0))
        yield source, found.grouping, label, ratio


def _ratio_sentence(item: tuple[str, str, str, Comparison]) -> str:
    source, grouping, label, ratio = item
    where = "In the data" if source == "data" else "In the model’s decisions"
    few = f" Insufficient evidence: {ratio.reason}." if ratio.evidence == "insufficient" else ""
    other = of_group(grouping, ratio.between[-1])
    return (
        f"{where}, {of_group(grouping, label)} gets the favourable outcome "
        f"{interval_text(ratio.value, ratio.low, ratio.high)} times as often as {other} (n = {ratio.n[0]:,} and "
        f"{ratio.n[-1]:,}).{few}"
    )


def _ratio_exhibit(rows: list[tuple[str, ImpactRatios]], reference: float) -> Exhibit:
    cells = [
        (f"{found.grouping} = {label}", source, ratio, found.rates[label])
        for source, found in rows
        for label, ratio in found.ratios.items()
    ]
    return Exhibit(
        kind="intervals",
        title="Impact ratios",
        description="Every group’s share of favourable outcomes over the highest share, in the data and by the model.",
        table={
            "label": [label for label, _, _, _ in cells],
            "group": [source for _, source, _, _ in cells],
            **{field: [getattr(ratio, field) for _, _, ratio, _ in cells] for field in ("value", "low", "high")},
            "n": [rate.n for *_, rate in cells],
            "rate": [rate.value for *_, rate in cells],
            "note": [ratio.reason for _, _, ratio, _ in cells],
        },
        options={"x_title": "impact ratio", "reference": reference, "reference_label": "four fifths, for orientation"},
    )


@dataclass(frozen=True, kw_only=True)
class ErrorsByGroup(Question):
    """Rates and errors of the model for each group."""

    def run(self, subject: Subject) -> Finding:
        """Compare every rate between groups; judge the largest clear difference."""
        found = measure_model(subject)
        share = subject.classes is not None
        words = {name: text for name, text in (RATES if share else NUMBERS).items() if name in found.overall}
        scale = 1.0 if share else float(np.std(subject.y.astype(float)))
        judged = [
            (judge(subject, comparison, scale), grouping, metric, comparison)
            for grouping, comparisons in found.difference.items()
            for metric, comparison in comparisons.items()
            if metric in words
        ]
        verdict = worst([item[0] for item in judged])
        alone = [item for item in judged if item[1] in subject.groups] or judged
        told = sorted(alone, key=lambda item: (item[3].evidence != "clear", -abs(item[3].value or 0.0)))
        _, grouping, metric, _ = told[0]
        first = extremes_sentence(found, grouping, metric, words[metric], share=share)
        return self.finding(
            verdict,
            f"On {subject.counted_rows()}, {first[:1].lower()}{first[1:]}",
            detail=_further(told[1:], len(judged), words, share=share),
            how=_how(subject, found) + INTERVALS + f" Below {subject.policy.min_evidence} rows behind a number: "
            f"insufficient evidence; groups below {subject.policy.min_group_size} rows are withheld.",
            measures=tuple(
                measure
                for _, grouping, metric, comparison in judged
                for measure in comparison_measure(
                    f"difference in {words[metric]} by {grouping}", comparison, "share" if share else ""
                )
            ),
            exhibits=tuple(_rate_exhibit(found, metric, text) for metric, text in words.items()),
            remedy="Look at the features that carry the gap, at how the groups are represented in training, and at "
            "whether the target means the same for every group.",
            weight=max(
                (excess(subject, item[3], scale) for item in judged if item[3].evidence == "clear"), default=0.0
            ),
        )


def _further(
    told: Sequence[tuple[Verdict, str, str, Comparison]], judged: int, words: Mapping[str, str], *, share: bool
) -> str:
    """List the other differences that are clear, and count those that are not."""
    others = [
        f"{words[metric]} by {named(grouping)} ({amount_words(comparison, share=share)})"
        for _, grouping, metric, comparison in told
        if comparison.evidence == "clear"
    ]
    unclear = judged - 1 - len(others)
    parts = [f"Also clearly different: {'; '.join(others[:MOST_FURTHER])}."] if others else []
    parts += [f"Of {counted(judged, 'comparison')} {unclear} cannot be told from chance."] if unclear else []
    return " ".join(parts)


def favorable_or_second(subject: Subject) -> Any:
    """Choose the outcome that rates are about: the favourable one; of two classes without one, the second."""
    if subject.classes is None:
        return None
    if subject.favorable is not None:
        return subject.favorable
    if subject.task == "binary":
        return subject.classes.tolist()[1]
    raise NotApplicable("which of the classes is good for the person is not known; pass favorable=.")


def measure_model(subject: Subject) -> GroupMetrics:
    """All group metrics of the model's predictions on the held-out rows."""
    require_groups(subject)
    favorable = favorable_or_second(subject)
    score = None
    if subject.classes is not None and subject.probability is not None:
        score = subject.probability[:, subject.classes.tolist().index(favorable)]
    return group_metrics(
        subject.y,
        subject.predicted,
        sensitive_features=subject.groups,
        favorable=favorable,
        score=score,
        sample_weight=subject.weight,
        floor=subject.policy.min_group_size,
        min_evidence=subject.policy.min_evidence,
        random_state=subject.random_state,
    )


def _how(subject: Subject, found: GroupMetrics) -> str:
    if subject.classes is None:
        return "Error is prediction minus truth. "
    given = subject.favorable is not None
    meaning = "the favourable outcome" if given else "the second class (no favorable= was given)"
    return f"Favourable means {named(found.favorable)}, {meaning}. "


def _rate_exhibit(found: GroupMetrics, metric: str, text: str) -> Exhibit:
    rows = [("everybody", "everybody", found.overall[metric]), *group_rows(found, metric)]
    return Exhibit(
        kind="intervals",
        title=f"Model: {text}, by group",
        description=f"The {text} for every group that may be shown, with 95 % intervals.",
        table=interval_table(rows),
        options={"x_title": text},
    )


GROUP_OUTCOMES = OutcomesByGroup(
    code="PEL701",
    title="Outcomes by group in the data",
    section=Section.BIAS,
    why="A model repeats what its data did; a gap in the data comes before any model.",
    needs_model=False,
)
IMPACT_RATIOS = ImpactRatioByGroup(
    code="PEL702",
    title="Impact ratios",
    section=Section.BIAS,
    why="How often one group gets the good outcome, compared with the group that gets it most.",
    needs_model=False,
)
GROUP_ERRORS = ErrorsByGroup(
    code="PEL703",
    title="Decisions and errors by group",
    section=Section.BIAS,
    why="A model may decide or err differently for groups of people although its average is good.",
)
