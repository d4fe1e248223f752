"""PEL801 to PEL806: how the model can be made better, each with its expected gain."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pellucid._base.numbers import percent
from pellucid._base.words import counted
from pellucid.auditing.checks.base import NotApplicable, Question, fitting_again
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.auditing.subject import Subject
from pellucid.improvement import Advice, ErrorNode, ErrorTree, Gain, Slice, Slices, error_tree, find_slices
from pellucid.improvement.features import collection_of, directions_of, harmful_of
from pellucid.improvement.labels import suspects_of

MOST_TRIED = 2
"""Features that an audit tries the model without."""


@dataclass(frozen=True, kw_only=True)
class WeakSlices(Question):
    """Parts of the held-out rows where the model errs more than elsewhere."""

    def run(self, subject: Subject) -> Finding:
        """Look at one and two statements at a time, and control for having looked at many."""
        if subject.n < 2 * subject.policy.min_evidence:
            raise NotApplicable(f"{counted(subject.n, 'row')} are too few to part.")
        found = find_slices(
            subject.read, subject.X, subject.y, min_rows=subject.policy.min_evidence, random_state=subject.random_state
        )
        return self.finding(
            Verdict.NOTE if found.found else Verdict.PASS,
            found.sentences[0],
            detail=" ".join(found.sentences[1:4]),
            how=f"{found.looked:,} slices of one or two statements were looked at; each has to be worse than the worst "
            "of all of them under shuffled errors (Westfall and Young), at 95 % over all together.",
            measures=tuple(_error_measure(each, each.words, share=found.share) for each in found.found),
            exhibits=_slice_exhibits(found),
            remedy="Ask what is different there: a feature that is missing, labels of another kind, or too few rows to "
            "learn from.",
            weight=found.found[0].gain if found.found else 0.0,
        )


def _slice_exhibits(found: Slices) -> tuple[Exhibit, ...]:
    if not found.found:
        return ()
    names = {"value": "error", "low": "low", "high": "high", "n": "n", "elsewhere": "elsewhere", "gain": "gain"}
    return (
        Exhibit(
            kind="intervals",
            title="Weak slices",
            description=" ".join(found.sentences[:3]),
            table={
                "label": [each.words for each in found.found],
                **{column: [getattr(each, name) for each in found.found] for column, name in names.items()},
            },
            options={
                "x_title": "share of wrong decisions" if found.share else "mean absolute error",
                "reference": found.error,
                "reference_label": "all rows",
            },
        ),
    )


@dataclass(frozen=True, kw_only=True)
class TreeOfErrors(Question):
    """Up to three questions that part the rows the model serves well from the others."""

    def run(self, subject: Subject) -> Finding:
        """Grow the tree on one half of the held-out rows and measure it on the other."""
        least = subject.policy.min_evidence
        if subject.n < 4 * least:
            raise NotApplicable(f"{counted(subject.n, 'row')} are too few for a tree that is measured on other rows.")
        found = error_tree(subject.read, subject.X, subject.y, min_rows=least, random_state=subject.random_state)
        parted = len(found.nodes) > 1
        return self.finding(
            Verdict.NOTE if parted else Verdict.PASS,
            " ".join(found.sentences[:2]),
            detail=" ".join(found.sentences[2:]),
            how="One half of the held-out rows finds the questions, the other half measures the errors, so no figure "
            "is better or worse for having been chosen.",
            measures=tuple(
                _error_measure(node, found.path(node), share=found.share) for node in found.nodes if node.leaf
            ),
            exhibits=(_tree_exhibit(found),) if parted else (),
            weight=max(node.error for node in found.nodes) - found.nodes[0].error,
        )


def _tree_exhibit(found: ErrorTree) -> Exhibit:
    write = percent if found.share else "{:.3g}".format
    return Exhibit(
        kind="tree",
        title="Where the errors are",
        description=" ".join(found.sentences),
        table={
            "id": [node.id for node in found.nodes],
            "parent": [node.parent for node in found.nodes],
            "branch": [node.branch for node in found.nodes],
            "text": [f"{'wrong in ' if found.share else 'error '}{write(node.error)}" for node in found.nodes],
            "n": [node.n for node in found.nodes],
        },
    )


@dataclass(frozen=True, kw_only=True)
class DoubtfulLabels(Question):
    """Labels that a model of the other rows contradicts."""

    def run(self, subject: Subject) -> Finding:
        """Count them, and fit again without them."""
        found = suspects_of(subject.trial)
        gain = found.gain
        helps = gain is not None and gain.clear
        return self.finding(
            Verdict.NOTE if helps else Verdict.PASS,
            " ".join(found.sentences),
            how=f"Judged by {found.how}: a label is doubtful when another is as probable as it usually is where it is "
            "right, and more probable than the given one." + (f" {_refitted(subject)}" if gain else ""),
            measures=(
                Measure(name="doubtful labels", value=len(found.rows) / found.n, n=found.n, unit="share"),
                *((_gain_measure("without doubtful labels", gain),) if gain else ()),
            ),
            remedy="List them with pellucid.improvement.suspect_labels and look at each; rows are people, so they are "
            "not listed here.",
            weight=gain.value if gain and helps else 0.0,
        )


@dataclass(frozen=True, kw_only=True)
class TriedChange(Question):
    """Changes that were tried, and what they brought."""

    advise: Callable[[Subject], Advice] = field(repr=False)
    remedy: str

    def run(self, subject: Subject) -> Finding:
        """Try them and say which helped."""
        with fitting_again():
            found = self.advise(subject)
        tried = [(name, gain) for name, gain in zip(found.names, found.gains, strict=True) if gain is not None]
        best = max((gain.value for _, gain in tried if gain.clear), default=0.0)
        return self.finding(
            Verdict.NOTE if best > 0 else Verdict.PASS,
            found.sentences[0],
            detail=" ".join(found.sentences[1:4]),
            how=_refitted(subject),
            measures=tuple(_gain_measure(f"{found.what} {name}", gain) for name, gain in tried),
            exhibits=(_gain_exhibit(self.title, tried),) if tried else (),
            remedy=self.remedy,
            weight=best,
        )


def _error_measure(part: Slice | ErrorNode, where: str, *, share: bool) -> Measure:
    unit = "share" if share else ""
    return Measure(name=f"error where {where}", value=part.error, low=part.low, high=part.high, n=part.n, unit=unit)


def _gain_measure(name: str, gain: Gain) -> Measure:
    return Measure(name=f"gain in {gain.loss}, {name}", value=gain.value, low=gain.low, high=gain.high, n=gain.n)


def _gain_exhibit(title: str, tried: list[tuple[str, Gain]]) -> Exhibit:
    return Exhibit(
        kind="intervals",
        title=title,
        description=f"Gain in {tried[0][1].loss} of each change, on rows that no fit had seen; above zero it helps.",
        table={
            "label": [name for name, _ in tried],
            **{name: [getattr(gain, name) for _, gain in tried] for name in ("value", "low", "high", "n")},
        },
        options={"x_title": f"gain in {tried[0][1].loss}", "reference": 0.0, "reference_label": "no change"},
    )


def _refitted(subject: Subject) -> str:
    known = "held-out" if subject.y_train is None else "training"
    return (
        f"Fitted again with and without the change on {len(subject.trial.truth):,} {known} rows (in folds), and "
        "compared on rows that neither fit has seen; the 95 % interval is over these rows."
    )


def _shared(**options: Any) -> dict[str, Any]:
    return {"section": Section.IMPROVEMENT, **options}


WEAK_SLICES = WeakSlices(
    code="PEL801",
    title="Weak slices",
    why="An average hides the parts of the data in which a model is not good enough to be used.",
    **_shared(),
)
ERROR_TREE = TreeOfErrors(
    code="PEL802",
    title="Error tree",
    why="A few questions that lead to the errors show where to look first.",
    **_shared(),
)
DOUBTFUL_LABELS = DoubtfulLabels(
    code="PEL803",
    title="Doubtful labels",
    why="A model that learns wrong labels repeats them, and is measured against them.",
    **_shared(cost="costly"),
)
HARMFUL_FEATURES = TriedChange(
    code="PEL804",
    title="Features that hurt",
    why="A feature without information gives a model noise to learn.",
    advise=lambda subject: harmful_of(subject.trial, random_state=subject.random_state, most=MOST_TRIED),
    remedy="Leave the feature out, unless something other than the loss asks for it.",
    **_shared(cost="costly"),
)
DATA_TO_COLLECT = TriedChange(
    code="PEL805",
    title="Data to collect",
    why="More rows help some models, and some groups, more than any other change does.",
    advise=lambda subject: collection_of(subject.trial, None, random_state=subject.random_state),
    remedy="The model still learns from more rows: collect some, first where it is weak.",
    **_shared(cost="costly"),
)
DIRECTIONS = TriedChange(
    code="PEL806",
    title="Directions to impose",
    why="Where the output should only rise or only fall, every turn is noise, and gives people reasons without sense.",
    advise=lambda subject: directions_of(subject.trial, random_state=subject.random_state),
    remedy="Impose the direction where it also holds in substance.",
    **_shared(cost="costly"),
)
