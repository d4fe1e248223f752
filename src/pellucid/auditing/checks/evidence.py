"""PEL901 to PEL904: reasons of adverse decisions, records of decisions, drift, and what rules ask for."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid._base.numbers import percent
from pellucid._base.statistics import wilson
from pellucid._base.typing import Int1
from pellucid._base.words import counted
from pellucid.auditing.checks.base import NotApplicable, Question
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.subject import Subject
from pellucid.auditing.words import listed, named
from pellucid.compliance.artefacts import DECLARED, MEASURED, MISSING, Artefact, artefact
from pellucid.compliance.codebook import Codebook
from pellucid.compliance.reason_nouns import METHOD_WORDS, ReasonCodes
from pellucid.compliance.reasons import reason_codes
from pellucid.compliance.records import Record, Recorder
from pellucid.compliance.rules import rule_packs
from pellucid.compliance.shift import Shift, compare
from pellucid.compliance.verify import verify
from pellucid.ir import Space
from pellucid.ir.space import log_odds

DENIALS, SAMPLED_DENIALS = 100, 5
RECORDED_ROWS, SAMPLED_RECORDED_ROWS = 50, 2
COMPARED_ROWS = 500
MOST_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class TestedReasons(Question):
    """Principal reasons of the decisions that went against a person, each tested on the model."""

    def run(self, subject: Subject) -> Finding:
        """Claim, test and count, over a sample of the adverse decisions."""
        codes = _codes(subject)
        if not len(codes):
            raise NotApplicable("no decision went against anybody.")
        marked = sorted({reason.name for decision in codes.blocked for reason in decision.blocked})
        held = sum(len(decision.reasons) for decision in codes.decisions)
        claims = held + sum(len(decision.refuted) for decision in codes.decisions)
        low, high = wilson(held / claims, claims) if claims else (0.0, 1.0)
        value = held / max(claims, 1)
        share = Measure(name="claims that held", value=value, low=low, high=high, n=claims, unit="share")
        n, blocked = len(codes), len(codes.blocked)
        decisions = counted(n, "adverse decision")
        statement = (
            f"Of {counted(claims, 'claimed reason')} of {decisions}, {held:,} moved the score as claimed when changed "
            "alone; the others are not listed."
        )
        if marked:
            unlisted = sum(not any(reason.mark for reason in one.reasons) for one in codes.blocked)
            claim = f", {unlisted} of them for a claim that the test refuted" if unlisted else ""
            statement = (
                f"A protected feature ({listed(marked)}) is a principal reason in {blocked} of {decisions} "
                f"({percent(blocked / n)}{claim}): these notices are blocked. {statement}"
            )
        return self.finding(
            Verdict.FAIL if marked else Verdict.WARN if codes.unexplained else Verdict.NOTE,
            statement,
            detail=_quality(codes),
            how=f"Reasons are factors with the lowest Shapley values against {METHOD_WORDS[codes.method]} "
            f"({counted(codes.n_reference, 'background row')}). Each is tested: the factor alone takes the reference’s "
            f"values, and the score must rise. Stability over {codes.resamples} resampled backgrounds. Every sensitive "
            "feature counts as protected; what else stands in for one, a codebook can mark.",
            measures=(share, *_measures(codes)),
            exhibits=(_principal_exhibit(codes),),
            remedy="Do not send these notices and do not drop the factor from the list: change the model, for instance "
            "leave the feature out and look at what then carries its part (PEL706)."
            if marked
            else "",
            weight=blocked / n,
        )


@dataclass(frozen=True, kw_only=True)
class Records(Question):
    """Whether a record of a decision can be made again."""

    def run(self, subject: Subject) -> Finding:
        """Record decisions, read the records back, and make them again in another order."""
        most = RECORDED_ROWS if subject.structured else SAMPLED_RECORDED_ROWS
        rows = subject.X.take(subject.explained_rows[:most])
        background = subject.explaining_background
        recorder = Recorder(subject.estimator, background.native, random_state=subject.random_state)
        records = [Record.from_dict(json.loads(json.dumps(record.to_dict()))) for record in recorder(rows.native)]
        backwards = rows.take(np.arange(len(rows))[::-1])
        found = verify(records[::-1], subject.estimator, X=backwards.native, background=background.native)
        other, hashed = len(found.differences), records[0].model.startswith("state:")
        return self.finding(
            Verdict.PASS if found.ok else Verdict.WARN,
            f"{counted(found.n, 'decision')} recorded and made again in another order: {found.same_bits} bit for bit, "
            f"{found.n - found.same_bits - other} within tolerance, {other} otherwise.",
            detail=" ".join(found.sentences()[1:]),
            how="A record keeps the hashes of the model, the background, the row and the configuration, the versions, "
            "the seed and the values, but not the row. Here the model’s hash is one of "
            + ("everything it is made of." if hashed else "its answers on the background rows."),
            measures=(
                Measure(name="largest difference", value=found.largest_difference, n=found.n, unit=subject.unit()),
            ),
            remedy="Make the model’s predictions independent of order and batch, then record again.",
        )


@dataclass(frozen=True, kw_only=True)
class Drift(Question):
    """Whether held-out rows, or the reasons given to them, differ from those of training."""

    def run(self, subject: Subject) -> Finding:
        """Explain rows of both and compare."""
        if subject.X_train is None:
            raise NotApplicable("the training data were not given.")
        if not subject.structured:
            raise NotApplicable("explanations of this model are sampled; compare two with pellucid.compare.")
        train = subject.X_train
        few = np.linspace(0, len(train) - 1, min(COMPARED_ROWS, len(train))).astype(int)
        after = subject.explanation.take(rows=np.arange(min(COMPARED_ROWS, len(subject.explanation))))
        found = compare(subject.explainer(train.take(few)), after, random_state=subject.random_state)
        grave = {"none": Verdict.PASS, "data": Verdict.NOTE, "data, reasoning unknown": Verdict.NOTE}
        return self.finding(
            grave.get(found.verdict, Verdict.WARN),
            " ".join(found.sentences()),
            how="Permutation tests on each feature and on all together, adjusted by their largest statistic. The "
            "reasoning is compared at the same values, by what is left of attribution and period when both are "
            "predicted from the row. One model is asked here, so a change of reasoning would mean that it depends on "
            "more than the row.",
            exhibits=(_shift_exhibit(found),),
            remedy="Find out why these features differ between training and now." if found.data_shift else "",
        )


@dataclass(frozen=True, kw_only=True)
class EvidenceByRule(Question):
    """Which fields of dated rule packs this audit answers."""

    def run(self, subject: Subject) -> Finding:
        """Answer nothing from no findings."""
        return self.conclude(subject, ())

    def conclude(self, subject: Subject, findings: Sequence[Finding]) -> Finding:
        """Fill every pack from the findings of the other checks."""
        audit = {
            "schema": "pellucid.audit/1",
            "subject": {"model": subject.read.label},
            "findings": [
                {"code": finding.code, "verdict": str(finding.verdict), "statement": finding.statement}
                for finding in findings
            ],
        }
        drafts = [artefact(rule, audit=audit) for rule in rule_packs()]
        total = sum(len(draft.fields) for draft in drafts)
        measured = sum(draft.counts()[MEASURED] for draft in drafts)
        dates = sorted({draft.pack.as_of for draft in drafts})
        return self.finding(
            Verdict.NOTE,
            f"This audit measured {measured} of the {total} fields that {len(drafts)} rule packs ask for (rules as of "
            f"{', '.join(dates)}). The others need a declaration of yours, or are missing.",
            how="Each pack is a dated list of what a rule asks for, in our words and from secondary sources. A field "
            "counts as measured when a check that answers it ran, whatever it found.",
            exhibits=(_packs_exhibit(drafts),),
            remedy="Write a draft with `pellucid card report.json --rule RULE --declared declared.toml --out "
            "draft.html`; every field is marked as measured, declared by you or missing.",
        )


def _codes(subject: Subject) -> ReasonCodes:
    """Reasons of a sample of the held-out rows that the model decides against."""
    if subject.task != "binary" or subject.classes is None:
        raise NotApplicable("reasons are given for decisions between two outcomes.")
    if subject.favorable is None:
        raise NotApplicable("which outcome is good for the person was not said (favorable=).")
    good = subject.classes.tolist().index(subject.favorable)
    adverse = np.flatnonzero(subject.predicted_index != good)
    if not len(adverse):
        raise NotApplicable("no decision went against anybody.")
    rows = _sample(subject, adverse)
    marks = {name: {"mark": "protected"} for name in subject.sensitive if name in subject.X.names}
    space, cutoff = _cutoff(subject, good)
    return reason_codes(
        subject.read,
        subject.X.take(rows),
        cutoff=cutoff,
        favorable=subject.favorable,
        background=subject.background if subject.structured else subject.explaining_background,
        codebook=Codebook(factors=marks),
        space=space,
        resamples=5 if subject.structured else 0,
        random_state=subject.random_state,
    )


def _sample(subject: Subject, adverse: Int1) -> Int1:
    most = DENIALS if subject.structured else SAMPLED_DENIALS
    return np.asarray(adverse[np.linspace(0, len(adverse) - 1, min(most, len(adverse))).astype(int)])


def _cutoff(subject: Subject, good: int) -> tuple[str, float]:
    """The space of the score, and the cut-off on the favourable class in it."""
    if subject.probability is None:
        return "raw", subject.cut if good == 1 else -subject.cut
    share = subject.cut if good == 1 else 1 - subject.cut
    if subject.read.raw_space is Space.LOG_ODDS:
        return "raw", float(log_odds(np.array([[share]]))[0, 0])
    return "probability", share


def _quality(codes: ReasonCodes) -> str:
    found = codes.summary()
    said = [f"The listed reasons cover {percent(found['coverage'])} of all that lowered the score, on average."]
    if "same under the other method" in found:
        said.append(
            f"{percent(found['same under the other method'])} are principal under the other reference method too."
        )
    if "stability" in found:
        said.append(f"{percent(found['stability'])} stay when the background is drawn anew.")
    if codes.unexplained:
        said.append(f"In {counted(len(codes.unexplained), 'decision')} no factor alone lowered the score.")
    return " ".join(said)


def _measures(codes: ReasonCodes) -> tuple[Measure, ...]:
    n = sum(len(decision.reasons) for decision in codes.decisions)
    shares = ("coverage", "same under the other method", "stability")
    return tuple(
        Measure(name=name, value=value, n=n, unit="share") for name, value in codes.summary().items() if name in shares
    )


def _principal_exhibit(codes: ReasonCodes) -> Exhibit:
    """Show how often each factor is a principal reason."""
    counts: dict[str, int] = {}
    for decision in codes.decisions:
        for reason in decision.reasons:
            counts[reason.name] = counts.get(reason.name, 0) + 1
    names = sorted(counts, key=lambda name: (-counts[name], name))[:MOST_SHOWN]
    n = len(codes)
    intervals = [wilson(counts[name] / n, n) for name in names]
    most = f"The most frequent is {named(names[0])}." if names else "There is none."
    return Exhibit(
        kind="bars",
        title="How often a factor is a principal reason",
        description=f"Share of {counted(n, 'adverse decision')} in which each factor is a principal reason. {most}",
        table={
            "label": names,
            "value": [counts[name] / n for name in names],
            "low": [low for low, _ in intervals],
            "high": [high for _, high in intervals],
        },
        options={"x_title": "share of adverse decisions"},
    )


def _shift_exhibit(found: Shift) -> Exhibit:
    return Exhibit(
        kind="table",
        title="Training rows beside held-out rows",
        description=found.sentences()[0],
        table={
            "feature": [shift.feature for shift in found.features],
            "mean size in training": [shift.size_before for shift in found.features],
            "mean size held out": [shift.size_after for shift in found.features],
            "distance of values": [shift.distance for shift in found.features],
            "p, adjusted": [shift.p_data for shift in found.features],
            "change at same values": [shift.change for shift in found.features],
        },
    )


def _packs_exhibit(drafts: Sequence[Artefact]) -> Exhibit:
    counts = [draft.counts() for draft in drafts]
    return Exhibit(
        kind="table",
        title="Rule packs",
        description="For each rule: as of when it is known, its status, and how many fields this audit measured.",
        table={
            "rule": [draft.pack.id for draft in drafts],
            "citation": [draft.pack.citation for draft in drafts],
            "as of": [draft.pack.as_of for draft in drafts],
            "status": [draft.pack.status for draft in drafts],
            "measured": [count[MEASURED] for count in counts],
            "to declare or missing": [count[DECLARED] + count[MISSING] for count in counts],
        },
    )


REASONS = TestedReasons(
    code="PEL901",
    title="Reasons of adverse decisions",
    section=Section.COMPLIANCE,
    why="A reason that does not move the score is no reason, and a protected one must not be sent.",
)
RECORDS = Records(
    code="PEL902",
    title="Records of decisions",
    section=Section.COMPLIANCE,
    why="An explanation that nobody can make again is a claim, not evidence.",
)
DRIFT = Drift(
    code="PEL903",
    title="Training and held-out rows",
    section=Section.COMPLIANCE,
    why="A model watched over time must show whether the people changed or the reasoning.",
    cost="costly",
)
EVIDENCE = EvidenceByRule(
    code="PEL904",
    title="Evidence by rule",
    section=Section.COMPLIANCE,
    why="Whoever must document a model should see at once what is measured and what is still to be said.",
)
