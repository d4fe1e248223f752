"""PEL707 and PEL708: gaps among people with the same outcome, and labels that mean something else in one group."""

from collections.abc import Sequence
from dataclasses import dataclass

from pellucid._base.statistics import LEVEL
from pellucid.auditing.checks.base import NotApplicable, Question, require_groups, worst
from pellucid.auditing.checks.carriers import output_of
from pellucid.auditing.checks.groups import comparison_measure, excess, favorable_or_second, judge
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import named
from pellucid.fairness import LabelNoise, MeritGap, gap_at_equal_merit, label_noise


@dataclass(frozen=True, kw_only=True)
class EqualMerit(Question):
    """Decisions about people whose true outcome is the same."""

    def run(self, subject: Subject) -> Finding:
        """Average the differences within each true outcome."""
        groups, favorable = require_groups(subject), favorable_or_second(subject)
        if favorable is None:
            raise NotApplicable("the target is a number, so nobody is decided about.")
        if favorable not in subject.predicted:
            raise NotApplicable(f"nobody is predicted the favourable outcome {named(favorable)}.")
        found = [
            each
            for name, labels in groups.items()
            for each in gap_at_equal_merit(
                subject.predicted,
                subject.y,
                sensitive_features={name: labels},
                favorable=favorable,
                floor=subject.policy.min_evidence,
            )
        ]
        if not found:
            raise NotApplicable("no sensitive feature has two groups large enough to compare.")
        found.sort(key=lambda each: -abs(each.equal_merit.value or 0.0))
        verdict = worst([judge(subject, each.equal_merit) for each in found])
        return self.finding(
            verdict,
            f"In the share decided favourably on {subject.counted_rows()}, by {named(found[0].grouping)}: "
            f"{found[0].sentence}",
            detail=" ".join(each.sentence for each in found[1:4]),
            how="Merit is the true outcome: differences within each outcome, averaged (Mantel-Haenszel, Sato’s "
            "variance). Where the outcomes themselves are biased, equal merit is too.",
            measures=tuple(
                measure
                for each in found
                for measure in comparison_measure(
                    f"gap at equal merit, {each.grouping}: {each.group} − {each.reference}", each.equal_merit, "share"
                )
            ),
            exhibits=(_merit_exhibit(found),),
            remedy="People with the same outcome are decided differently: see PEL704.",
            weight=excess(subject, found[0].equal_merit),
        )


def _merit_exhibit(found: Sequence[MeritGap]) -> Exhibit:
    rows = [
        (f"{each.grouping}: {each.group} − {each.reference}", kind, comparison)
        for each in found
        for kind, comparison in (("all", each.plain), ("at equal merit", each.equal_merit))
    ]
    return Exhibit(
        kind="intervals",
        title="Gaps, plain and at equal merit",
        description="Difference in the share decided favourably, in all and among people with the same true outcome.",
        table={
            "label": [label for label, _, _ in rows],
            "group": [kind for _, kind, _ in rows],
            **{name: [getattr(found, name) for _, _, found in rows] for name in ("value", "low", "high")},
        },
        options={"x_title": "difference of shares", "reference": 0.0, "reference_label": "no gap"},
    )


@dataclass(frozen=True, kw_only=True)
class TurnedLabels(Question):
    """Labels of one group that stand against the score at both of its ends."""

    def run(self, subject: Subject) -> Finding:
        """Compare the groups' outcomes at equal scores."""
        groups, favorable = require_groups(subject), favorable_or_second(subject)
        if favorable is None or subject.probability is None:
            raise NotApplicable("the model gives no probability of an outcome.")
        score = subject.probability[:, output_of(subject)]
        level = 1 - (1 - LEVEL) / max(1, sum(len(set(labels.tolist())) - 1 for labels in groups.values()))
        found = [
            each
            for name, labels in groups.items()
            for each in label_noise(
                subject.y,
                score,
                sensitive_features={name: labels},
                favorable=favorable,
                floor=subject.policy.min_evidence,
                level=level,
            )
        ]
        if not found:
            raise NotApplicable("no sensitive feature has two groups large enough to compare.")
        found.sort(key=lambda each: (not each.evident, -abs(each.value)))
        evident = found[0].evident
        return self.finding(
            Verdict.WARN if evident else Verdict.PASS,
            f"By {named(found[0].grouping)}, on {subject.counted_rows()}: {found[0].sentence}",
            detail=" ".join(each.sentence for each in found[1:4] if each.evident),
            how="In tenths of the score, the share of each group’s outcomes against the reference group’s. Labels "
            "turned round raise it where it is low and lower it where it is high; only both together are called "
            "evident. A bias that runs one way (a label that one group was denied) needs a measurement beside the "
            "label: see pellucid.fairness.contradicted_labels.",
            measures=tuple(_noise_measure(each) for each in found),
            remedy="Ask who made the labels of this group and how; measure again what can be measured again.",
            weight=abs(found[0].value) if evident else 0.0,
        )


def _noise_measure(found: LabelNoise) -> Measure:
    return Measure(
        name=f"labels turned round, {found.grouping}: {found.group} − {found.reference}",
        value=found.value,
        low=found.low,
        high=found.high,
        n=found.n + found.n_reference,
        unit="share",
    )


EQUAL_MERIT = EqualMerit(
    code="PEL707",
    title="Gaps at equal merit",
    section=Section.BIAS,
    why="A gap may mirror different outcomes; among people with the same outcome it cannot.",
)
TURNED_LABELS = TurnedLabels(
    code="PEL708",
    title="Labels by group",
    section=Section.BIAS,
    why="Bias in the labels is learnt and measured as truth; no figure that trusts them can show it.",
)
