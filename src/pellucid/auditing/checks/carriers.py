"""PEL704 and PEL705: which features carry the gap between groups, and which stand in for a group."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid._base.numbers import figure, interval_text
from pellucid._base.typing import Names
from pellucid._base.words import counted
from pellucid.auditing.checks.base import NotApplicable, Question, require_groups
from pellucid.auditing.checks.groups import favorable_or_second, of_group
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import listed, named
from pellucid.fairness import Gap, Proxy, gap_by_feature, proxies

MOST_SHOWN = 12
MOST_NAMED = 3


def gaps_of(subject: Subject) -> tuple[Gap, ...]:
    """Gaps of the subject's main explanation between its groups."""
    rows = subject.explained_rows
    groups = {name: labels[rows] for name, labels in require_groups(subject).items()}
    return gap_by_feature(
        subject.explanation, groups, floor=subject.policy.min_group_size, random_state=subject.random_state
    )


def output_of(subject: Subject) -> int:
    """Position of the output that gaps are told of."""
    favorable = favorable_or_second(subject)
    return 0 if favorable is None else subject.read.class_index(np.array([favorable], dtype=object)).item()


def carried(gap: Gap, output: int, most: int = MOST_NAMED) -> str:
    """Name the features with the largest parts, each with its interval."""
    parts = [
        f"{named(gap.features[j])} {interval_text(gap.values[j, output], gap.low[j, output], gap.high[j, output])}"
        for j in gap.order(output)[:most]
        if gap.values[j, output] != 0
    ]
    return ", ".join(parts) or "no feature"


def carriers(gap: Gap, output: int, most: int = MOST_NAMED) -> str:
    """Name the features with the largest parts."""
    names = [gap.features[j] for j in gap.order(output)[:most] if gap.values[j, output] != 0]
    return listed(names) if names else "no feature"


def gap_sentence(subject: Subject, gap: Gap, output: int) -> str:
    """Tell the gap, its interval and who carries it."""
    label = "" if subject.classes is None else f" for {named(gap.outputs[output])}"
    ends = sorted(abs(end) for end in (gap.total_low[output], gap.total_high[output]))
    if gap.total_low[output] <= 0 <= gap.total_high[output]:
        size = f"{interval_text(gap.total[output], gap.total_low[output], gap.total_high[output])} {subject.unit()}"
        way = "apart"
    else:
        size = f"{interval_text(abs(gap.total[output]), *ends)} {subject.unit()}"
        way = "lower" if gap.total[output] < 0 else "higher"
    return (
        f"The model’s mean output{label} is {size} {way}{' between' if way == 'apart' else ' for'} "
        f"{of_group(gap.grouping, gap.group)} (n = {gap.n:,}) {'and' if way == 'apart' else 'than for'} "
        f"{of_group(gap.grouping, gap.reference)} (n = {gap.n_reference:,}){_doubt(subject, gap, output)}, mainly "
        f"through {carriers(gap, output)}."
    )


def _doubt(subject: Subject, gap: Gap, output: int) -> str:
    if not enough_rows(subject, gap):
        return f" (insufficient evidence: fewer than {subject.policy.min_evidence} rows)"
    return "" if clear(gap, output) else " (insufficient evidence: the interval includes 0)"


def enough_rows(subject: Subject, gap: Gap) -> bool:
    """Whether both groups have the rows that the policy asks for."""
    return min(gap.n, gap.n_reference) >= subject.policy.min_evidence


def gap_exhibit(subject: Subject, gap: Gap, output: int, title: str) -> Exhibit:
    """Parts of the gap with their intervals, the largest first."""
    order = gap.order(output)[:MOST_SHOWN]
    return Exhibit(
        kind="intervals",
        title=f"{title}: {gap.grouping} = {gap.group} against {gap.reference}",
        description=gap_sentence(subject, gap, output),
        table={
            "label": [gap.features[j] for j in order],
            "value": [float(gap.values[j, output]) for j in order],
            "low": [float(gap.low[j, output]) for j in order],
            "high": [float(gap.high[j, output]) for j in order],
        },
        options={"x_title": f"part of the gap ({subject.unit()})", "reference": 0.0, "reference_label": "no part"},
    )


def gap_measures(subject: Subject, gap: Gap, output: int, prefix: str = "gap") -> list[Measure]:
    """List the whole gap, then its largest parts."""
    n, unit, pair = gap.n + gap.n_reference, subject.unit(), f"{gap.grouping}: {gap.group} − {gap.reference}"
    whole = Measure(
        name=f"{prefix}, {pair}",
        value=float(gap.total[output]),
        low=float(gap.total_low[output]),
        high=float(gap.total_high[output]),
        n=n,
        unit=unit,
    )
    parts = [
        Measure(
            name=f"part of {gap.features[j]}, {pair}",
            value=float(gap.values[j, output]),
            low=float(gap.low[j, output]),
            high=float(gap.high[j, output]),
            n=n,
            unit=unit,
        )
        for j in gap.order(output)[:MOST_SHOWN]
    ]
    return [whole, *parts]


def clear(gap: Gap, output: int) -> bool:
    """Whether the interval of the whole gap leaves out zero."""
    return not gap.total_low[output] <= 0 <= gap.total_high[output]


def rank_gaps(subject: Subject, gaps: Sequence[Gap], output: int) -> list[Gap]:
    """Order gaps: single sensitive columns before intersections, enough rows before few, large before small."""
    return sorted(
        gaps,
        key=lambda gap: (gap.grouping not in subject.groups, not enough_rows(subject, gap), -abs(gap.total[output])),
    )


@dataclass(frozen=True, kw_only=True)
class GapCarriers(Question):
    """The gap between groups' mean outputs, split over the features by their exact values."""

    def run(self, subject: Subject) -> Finding:
        """Split every gap; warn where a sensitive feature itself carries part of it."""
        gaps, output = gaps_of(subject), output_of(subject)
        if not gaps:
            raise NotApplicable("no sensitive feature has two groups large enough to compare.")
        ordered = rank_gaps(subject, gaps, output)
        judged = [gap for gap in gaps if enough_rows(subject, gap)]
        direct = sorted({name for gap in judged for name in _direct(subject, gap, output)})
        verdict = Verdict.WARN if direct else Verdict.PASS
        if not direct and (not judged or any(clear(gap, output) for gap in judged)):
            verdict = Verdict.NOTE
        tail = f" Part of the gap is carried by what is sensitive itself: {listed(direct)}." if direct else ""
        parts = f"The largest parts, in {subject.unit()}: {carried(ordered[0], output)}."
        source = subject.explanation.provenance
        return self.finding(
            verdict,
            gap_sentence(subject, ordered[0], output),
            detail=" ".join([parts + tail, *(gap_sentence(subject, gap, output) for gap in ordered[1:3])]),
            how=f"Difference of the groups’ mean Shapley values ({source.method}) over "
            f"{counted(len(subject.explanation), 'row')}, against {subject.background_note}; the parts add up to the "
            "difference of mean outputs. 95 % intervals from resampling rows within each group (1,000 replicates). It "
            "says where in the model the gap runs through, not what caused it.",
            measures=tuple(measure for gap in ordered for measure in gap_measures(subject, gap, output)),
            exhibits=tuple(gap_exhibit(subject, gap, output, "What carries the gap") for gap in ordered[:3]),
            remedy="Ask of each carrier whether it is needed for the decision.",
            weight=min(1.0, _relative(subject, ordered[0], output)),
        )


def _direct(subject: Subject, gap: Gap, output: int) -> Names:
    """Sensitive features that the model reads and that carry a part of the gap that is not chance."""
    return tuple(
        name
        for j, name in enumerate(gap.features)
        if name in subject.sensitive and not gap.low[j, output] <= 0 <= gap.high[j, output]
    )


def _relative(subject: Subject, gap: Gap, output: int) -> float:
    """Express the gap in standard deviations of the explained outputs."""
    spread = float(subject.explanation.prediction[:, output].std())
    return abs(float(gap.total[output])) / spread if spread > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class ProxyFeatures(Question):
    """Features that tell by themselves who belongs to a group."""

    def run(self, subject: Subject) -> Finding:
        """Rank the features by how well each alone predicts a group."""
        found = [
            proxy
            for proxy in proxies(
                subject.X,
                require_groups(subject),
                floor=subject.policy.min_group_size,
                random_state=subject.random_state,
            )
            if proxy.auc is not None
        ]
        if not found:
            raise NotApplicable("no sensitive feature has two groups large enough, or there is no other feature.")
        limit = subject.policy.proxy_auc_note
        strong = [proxy for proxy in found if _surely(proxy) >= limit]
        told = (strong or found)[:MOST_NAMED]
        words = "; ".join(_proxy_words(proxy) for proxy in told)
        count = counted(len({proxy.feature for proxy in strong}), "feature")
        statement = (
            f"{count} by {'itself tells' if count.startswith('1 ') else 'themselves tell'} something about a group: "
            f"{words}."
            if strong
            else f"No feature alone tells much about a group; the strongest: {words}."
        )
        return self.finding(
            Verdict.NOTE if strong else Verdict.PASS,
            statement,
            detail="Removing a sensitive column does not remove what these features tell." if strong else "",
            how="Area under the ROC curve of one feature for membership of the group (0.5: nothing, 0 or 1: "
            f"everything), with DeLong’s 95 % interval, on {counted(subject.n, 'row')}; categories are scored out of "
            f"sample. Named where the interval stays {figure(limit - 0.5)} or more from 0.5.",
            measures=tuple(
                Measure(
                    name=f"AUC of {proxy.feature} for {proxy.grouping} = {proxy.group}",
                    value=float(proxy.auc or 0.0),
                    low=proxy.low,
                    high=proxy.high,
                    n=proxy.n,
                )
                for proxy in found[:MOST_SHOWN]
            ),
            exhibits=(_proxy_exhibit(found[:MOST_SHOWN]),),
            weight=found[0].strength,
        )


def _surely(proxy: Proxy) -> float:
    """Take the interval's end nearer to one half, as an area of at least one half; 0 where it straddles."""
    low, high = float(proxy.low or 0.0), float(1.0 if proxy.high is None else proxy.high)
    return low if low > 0.5 else 1 - high if high < 0.5 else 0.0


def _proxy_words(proxy: Proxy) -> str:
    group = of_group(proxy.grouping, proxy.group)
    return f"{named(proxy.feature)} for {group} (AUC {interval_text(proxy.auc, proxy.low, proxy.high)})"


def _proxy_exhibit(found: Sequence[Proxy]) -> Exhibit:
    return Exhibit(
        kind="intervals",
        title="How well one feature alone tells a group",
        description="Area under the ROC curve of single features for membership of a group, the strongest first.",
        table={
            "label": [f"{proxy.feature} → {proxy.grouping} = {proxy.group}" for proxy in found],
            "value": [proxy.auc for proxy in found],
            "low": [proxy.low for proxy in found],
            "high": [proxy.high for proxy in found],
            "n": [proxy.n for proxy in found],
        },
        options={"x_title": "AUC of the feature alone", "reference": 0.5, "reference_label": "tells nothing"},
    )


GAP_CARRIERS = GapCarriers(
    code="PEL704",
    title="What carries the gap",
    section=Section.BIAS,
    why="A gap between groups can only be judged, or closed, by whoever knows which features it runs through.",
)
PROXIES = ProxyFeatures(
    code="PEL705",
    title="Proxies",
    section=Section.BIAS,
    why="A feature that tells the group lets a model treat groups differently without naming them.",
    needs_model=False,
)
