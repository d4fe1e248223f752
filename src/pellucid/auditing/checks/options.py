"""PEL709: what can be done about a gap, what each way costs, and what it leaves as it was."""

from dataclasses import dataclass

from pellucid._base.numbers import points, points_interval
from pellucid._base.words import leading
from pellucid.auditing.checks.base import NotApplicable, Question, fitting_again, require_groups
from pellucid.auditing.checks.groups import favorable_or_second, of_group
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.subject import Subject
from pellucid.fairness.disclosure import shown_groups
from pellucid.fairness.groups import read_groupings
from pellucid.improvement import Frontier, Option
from pellucid.improvement.mitigation import WAYS, frontier_of

QUICK = tuple(way for way in WAYS if way != "reduction")


@dataclass(frozen=True, kw_only=True)
class Options(Question):
    """Ways to narrow the gap of the first sensitive feature, on one chart."""

    def run(self, subject: Subject) -> Finding:
        """Fit again under each way and measure gap and price on rows not seen."""
        require_groups(subject)
        favorable = favorable_or_second(subject)
        if favorable is None:
            raise NotApplicable("the target is a number, so nobody is decided about.")
        name, labels = next(iter(subject.trial_data[2].items()), ("", None))
        if labels is None:
            raise NotApplicable("the sensitive features of the rows to fit on are not known.")
        floor = subject.policy.min_evidence
        grouping = read_groupings({name: labels}, len(labels))[0]
        if len(shown_groups(grouping, floor)) < 2:
            raise NotApplicable("no sensitive feature has two groups large enough to compare.")
        with fitting_again():
            found = frontier_of(
                subject.trial, grouping, favorable, ways=QUICK, floor=floor, random_state=subject.random_state
            )
        given, *others = found.options
        narrowest = min(others, key=lambda option: abs(option.gap), default=given)
        return self.finding(
            Verdict.NOTE,
            f"Between {of_group(name, found.reference)} and {of_group(name, found.group)} the model as given leaves a "
            f"gap of {points_interval(given.gap, given.gap_low, given.gap_high)} in who is decided favourably. Of "
            f"{len(others)} ways tried this one leaves the smallest: {narrowest.sentence}",
            detail=" ".join(_short(option) for option in others if option is not narrowest),
            how=f"Fitted again on {found.n:,} rows (in folds) and measured on rows not seen. Every way decides "
            "favourably as often as the data do. Price: right decisions lost, on the same rows. No way is recommended: "
            "which gap and which price to accept is not a property of data. Reductions are left to "
            "pellucid.improvement.mitigation_frontier.",
            measures=tuple(
                Measure(
                    name=f"{what}, {option.name}",
                    value=getattr(option, what),
                    low=getattr(option, f"{what}_low"),
                    high=getattr(option, f"{what}_high"),
                    n=found.n,
                    unit="share",
                )
                for option in found.options
                for what in ("gap", "price")
            ),
            exhibits=(frontier_exhibit(found),),
            weight=abs(given.gap) - abs(narrowest.gap),
        )


def _short(option: Option) -> str:
    """Say what is left and what it costs; intervals and what it leaves stand in the table."""
    costs = f"for {points(option.price)} points of right decisions"
    gains = f"with {points(-option.price)} points more right decisions"
    return f"{leading(option.name)}: {points(option.gap)} points left, {costs if option.price >= 0 else gains}."


def frontier_exhibit(found: Frontier) -> Exhibit:
    """Performance against gap, with intervals both ways."""
    names = {
        "x": "gap", "x_low": "gap_low", "x_high": "gap_high", "y": "performance", "y_low": "performance_low",
        "y_high": "performance_high", "price": "price", "selected": "selected", "needs_group": "needs_group",
        "leaves": "leaves",
    }  # fmt: skip
    return Exhibit(
        kind="frontier",
        title=f"Ways to narrow the gap: {found.grouping}",
        description=" ".join(found.sentences[:2]),
        table={
            "label": [option.name for option in found.options],
            **{column: [getattr(option, name) for option in found.options] for column, name in names.items()},
        },
        options={"x_title": "gap in the share decided favourably", "y_title": "share of right decisions"},
    )


OPTIONS = Options(
    code="PEL709",
    title="What can be done",
    section=Section.BIAS,
    why="Every way to narrow a gap has a price and leaves something as it was; both belong beside each other.",
    cost="costly",
)
