"""Against whom a decision is read: applicants at or just above the cut-off, or all of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Float1, Int1
from pellucid.explanation import Explanation
from pellucid.ir import Encoding, Model, Space
from pellucid.table import Table

Reference: TypeAlias = Literal["approved", "all"]
METHODS: tuple[Reference, ...] = ("approved", "all")
NEAREST = 100
"""Approved applicants with the lowest scores that stand for "just above the cut-off"; ties with the last count too."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scoring:
    """The score that decides: one output, counted so that more is better for the person.

    Parameters
    ----------
    model : Model
    space : Space
    output : int
        The output that is the score.
    sign : float
        1.0 where a high output is favourable, else -1.0.
    cutoff : float
        In the output's own units.
    """

    model: Model
    space: Space
    output: int
    sign: float
    cutoff: float

    @classmethod
    def of(cls, model: Model, *, favorable: Any, cutoff: Any, space: str) -> "Scoring":
        """Find the score in the model's outputs.

        Raises
        ------
        InputError
            When `favorable` or `cutoff` does not fit the model.
        """
        try:
            cut = float(cutoff)
        except (TypeError, ValueError):
            cut = float("nan")
        if not np.isfinite(cut) or isinstance(cutoff, bool):
            raise InputError(f"cutoff must be a finite number, in units of the score; got {cutoff!r:.80}.")
        units = Space.of(space)
        if units is Space.LOSS:
            raise InputError("space='loss' is no score. Use 'raw', 'probability' or 'log_odds'.")
        if model.resolve(units) is Space.PROBABILITY and not 0 <= cut <= 1:
            raise InputError(f"a cut-off on the probability must lie between 0 and 1; got {cut:g}.")
        output, sign = _favourable_output(model, favorable)
        return cls(model=model, space=units, output=output, sign=sign, cutoff=cut)

    def scores(self, X: Table) -> Float1:
        """Return the output that decides, one per row."""
        return self.model.predict(X, self.space)[:, self.output]

    def approved(self, scores: Float1) -> Array:
        """Which scores reach the cut-off."""
        return np.asarray(self.sign * scores >= self.sign * self.cutoff)

    def contributions(self, explanation: Explanation) -> tuple[Array, Array]:
        """Values of shape (rows, features) counted in the person's favour, and their standard errors."""
        values = self.sign * explanation.values[:, :, self.output]
        errors = explanation.std_error
        return values, np.zeros_like(values) if errors is None else errors[:, :, self.output]


def reference_rows(scoring: Scoring, scores: Float1, method: Reference) -> Int1:
    """Positions of the background rows that a decision is compared with; empty where none is approved.

    Parameters
    ----------
    scoring : Scoring
    scores : float64 array of shape (background rows,)
    method : {"approved", "all"}
        Method (A) or (B) of 12 CFR 1002.9, comment 9(b)(2)-5.
    """
    if method == "all":
        return np.arange(len(scores))
    above = np.flatnonzero(scoring.approved(scores))
    if len(above) <= NEAREST:
        return above
    favour = scoring.sign * scores[above]
    return np.asarray(above[favour <= np.sort(favour)[NEAREST - 1]])


def resampled_references(
    scoring: Scoring, scores: Float1, method: Reference, *, times: int, random_state: int
) -> Iterator[Int1]:
    """Draw the background anew, with replacement, and pick the reference in it; draws without one are left out."""
    for draw in range(times):
        rng = stream(random_state, "compliance.reasons.background", draw)
        drawn = np.sort(rng.integers(0, len(scores), len(scores)))
        chosen = drawn[reference_rows(scoring, scores[drawn], method)]
        if len(chosen):
            yield chosen


def grouped(model: Model, first_of_group: Int1) -> Model:
    """Return the model with the columns of one group moving as one feature: the first of the group."""
    if model.encoding is None:
        return model
    return replace(
        model, encoding=Encoding(transform=model.encoding.transform, groups=first_of_group[model.encoding.groups])
    )


def _favourable_output(model: Model, favorable: Any) -> tuple[int, float]:
    if model.classes is not None:
        labels = model.classes.tolist()
        if favorable not in labels:
            raise InputError(
                f"favorable must be the label that is good for the person, one of {', '.join(map(repr, labels[:10]))}; "
                f"got {favorable!r:.80}."
            )
        return labels.index(favorable), 1.0
    if len(model.outputs) != 1:
        raise UnsupportedRequestError(
            f"{model.label} has {len(model.outputs)} outputs and no classes, so none is the score. Pass a function "
            "that returns the score alone."
        )
    if favorable not in (None, "high", "low"):
        raise InputError(
            f"{model.label} has one output and no classes: favorable must be 'high' (the default) or 'low', for the "
            f"scores that are good for the person; got {favorable!r:.80}."
        )
    return 0, -1.0 if favorable == "low" else 1.0
