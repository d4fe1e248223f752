"""The nouns of reason codes: `Reason`, `AdverseDecision`, `ReasonCodes`."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pellucid._base.numbers import figure, percent
from pellucid._base.typing import Names
from pellucid.compliance.references import Reference
from pellucid.explanation import Provenance
from pellucid.table import Table

METHOD_WORDS = {
    "approved": "the average of applicants at or just above the cut-off (method A)",
    "all": "the average of all applicants (method B)",
}


COUNTED = "reasons per decision"
"""The one measure of `ReasonCodes.summary` that is no share."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One factor that lowered a score, and what the model said when it alone was changed.

    Parameters
    ----------
    name : str
        Of the factor: a feature, or a group of features.
    features : tuple of str
    code, sentence, mark : str
        From the codebook.
    contribution : float
        Shapley value of the factor against the reference, counted in the person's favour: below zero.
    move : float
        Mean change of the score, in the person's favour, when this factor alone takes the reference's values.
    reaches_cutoff : bool
        Whether that change alone is at least the distance to the cut-off; a measurement, no promise.
    in_other : bool or None
        Whether it is among the largest claims under the other reference method too; None where that has no reference.
    stability : float or None
        Share of resampled backgrounds in which it is among the largest claims; None where none was drawn.
    """

    name: str
    features: Names
    code: str
    sentence: str
    mark: str
    contribution: float
    move: float
    reaches_cutoff: bool
    in_other: bool | None = None
    stability: float | None = None

    def words(self) -> str:
        """Return the codebook's sentence, or the factor's name where it has none."""
        said = self.sentence or self.name
        return f"{self.code}: {said}" if self.code else said


@dataclass(frozen=True, kw_only=True)
class AdverseDecision:
    """One decision below the cut-off with its principal reasons.

    Parameters
    ----------
    row : int
        Position in the table that was given.
    score : float
        In the model's own units.
    distance : float
        How far the score is from the cut-off; above zero.
    gap : float
        Distance of the score from the reference's mean score, in the person's favour.
    reasons : tuple of Reason
        The largest first; every one moved the score as claimed.
    refuted : tuple of Reason
        Factors that would have been listed, but did not raise the score when they alone were changed.
    coverage : float
        Share that the listed reasons have of all that lowered the score.
    """

    row: int
    score: float
    distance: float
    gap: float
    reasons: tuple[Reason, ...]
    refuted: tuple[Reason, ...]
    coverage: float

    @property
    def blocked(self) -> tuple[Reason, ...]:
        """Claimed factors marked as protected or as a proxy, refuted or not: the notice must not go out like this."""
        return tuple(reason for reason in (*self.reasons, *self.refuted) if reason.mark)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ReasonCodes:
    """The principal reasons of every adverse decision among some rows.

    Parameters
    ----------
    decisions : tuple of AdverseDecision
        In the order of their rows.
    n_rows : int
        Rows that were scored.
    cutoff : float
    favorable : str
        The label, or "high" or "low", that is good for the person.
    space : str
        Units of scores and contributions.
    method : {"approved", "all"}
    n_reference, n_background : int
        Rows the decisions are compared with, and rows they were taken from.
    reference_score : float
        Mean score of the reference.
    resamples : int
        Backgrounds drawn anew for the stability; 0 where there are none.
    provenance : Provenance
    """

    decisions: tuple[AdverseDecision, ...]
    n_rows: int
    cutoff: float
    favorable: str
    space: str
    method: Reference
    n_reference: int
    n_background: int
    reference_score: float
    resamples: int
    provenance: Provenance

    def __len__(self) -> int:
        return len(self.decisions)

    @property
    def blocked(self) -> tuple[AdverseDecision, ...]:
        """Decisions with a protected or proxy factor among their principal reasons."""
        return tuple(decision for decision in self.decisions if decision.blocked)

    @property
    def unexplained(self) -> tuple[AdverseDecision, ...]:
        """Decisions in which no factor lowered the score by itself."""
        return tuple(decision for decision in self.decisions if not decision.reasons)

    @property
    def uncoded(self) -> Names:
        """Factors that are a principal reason somewhere and have no code, in alphabetical order."""
        return tuple(sorted({r.name for decision in self.decisions for r in decision.reasons if not r.code}))

    def findings(self) -> tuple[str, ...]:
        """Sentences about what must be looked at before any reason is sent."""
        found = []
        marked = sorted({(r.mark, r.name) for decision in self.blocked for r in decision.blocked})
        if marked:
            names = ", ".join(f"‘{factor}’ ({mark})" for mark, factor in marked)
            found.append(
                f"In {len(self.blocked)} of {len(self)} adverse decisions a protected or proxy factor is a principal "
                f"reason: {names}. These notices are blocked; the factor is not dropped from the list, the model "
                "needs another look."
            )
        if self.unexplained:
            found.append(
                f"In {len(self.unexplained)} of {len(self)} adverse decisions no factor alone lowered the score."
            )
        return tuple(found)

    def summary(self) -> dict[str, float]:
        """Measures over all decisions: mean coverage, stability, agreement of methods, refuted claims."""
        reasons = [reason for decision in self.decisions for reason in decision.reasons]
        refuted = sum(len(decision.refuted) for decision in self.decisions)
        listed = {
            COUNTED: [float(len(decision.reasons)) for decision in self.decisions],
            "coverage": [decision.coverage for decision in self.decisions],
            "same under the other method": [float(r.in_other) for r in reasons if r.in_other is not None],
            "stability": [r.stability for r in reasons if r.stability is not None],
        }
        found = {name: float(np.mean(values)) for name, values in listed.items() if values}
        return {**found, "refuted claims": refuted / max(len(reasons) + refuted, 1)}

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "schema": "pellucid.reasons/1",
            **{
                name: getattr(self, name)
                for name in (
                    "n_rows", "cutoff", "favorable", "space", "method", "n_reference", "n_background",
                    "reference_score", "resamples",
                )
            },
            "findings": list(self.findings()),
            "summary": self.summary(),
            "decisions": [asdict(decision) for decision in self.decisions],
        }  # fmt: skip

    def to_frame(self) -> Any:
        """Return one row for each listed reason, as a pandas frame."""
        rows = [
            (decision, rank, reason) for decision in self.decisions for rank, reason in enumerate(decision.reasons, 1)
        ]
        columns: dict[str, Any] = {
            "row": [decision.row for decision, _, _ in rows],
            "score": [decision.score for decision, _, _ in rows],
            "rank": [rank for _, rank, _ in rows],
        }
        for name in ("name", "code", "sentence", "mark", "contribution", "move", "in_other", "stability"):
            columns[name] = [getattr(reason, name) for _, _, reason in rows]
        return Table.of(np.empty((0, 0))).frame_like(columns)

    def __repr__(self) -> str:
        measures = self.summary()
        lines = [
            f"ReasonCodes({len(self)} adverse decisions of {self.n_rows} rows; cut-off {figure(self.cutoff)} "
            f"({self.space}), against {METHOD_WORDS[self.method]}, {self.n_reference} rows)"
        ]
        if self.decisions and "coverage" in measures:
            lines.append(
                f"  coverage {percent(measures['coverage'])} of what lowered the score; "
                f"refuted by the test on the model: {percent(measures['refuted claims'])} of claims"
            )
        return "\n".join([*lines, *(f"  finding: {sentence}" for sentence in self.findings())])
