"""`reason_codes`: principal reasons of adverse decisions, each tested on the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Bool2, Float2, Int1
from pellucid._door import Explainer
from pellucid.adapters import as_model
from pellucid.compliance.codebook import Codebook, Factor, players_of
from pellucid.compliance.reason_nouns import AdverseDecision, Reason, ReasonCodes
from pellucid.compliance.references import METHODS, Reference, Scoring, grouped, reference_rows, resampled_references
from pellucid.explanation import Provenance
from pellucid.games import MarginalGame
from pellucid.games.marginal import RowGames
from pellucid.table import Table, listed

SURE = 1.96
"""Standard errors that a sampled contribution must lie below zero to be claimed."""
ROUNDING = 1e-12
"""Moves of the score below this share of its size are rounding."""


def reason_codes(
    model: Any,
    X: Any,
    *,
    cutoff: float,
    background: Any,
    favorable: Any = None,
    method: str = "approved",
    codebook: Any = None,
    max_reasons: int = 4,
    space: str = "raw",
    resamples: int = 10,
    budget: int | None = None,
    random_state: int = 0,
) -> ReasonCodes:
    """Find the principal reasons of every adverse decision, and test each on the model.

    A reason is a factor with a negative Shapley value against the reference: how far the factor, compared with the
    reference applicants, lowered the score. It is listed only if the score rises when this factor alone takes the
    reference's values. For a model that adds up its factors both numbers are the same: the shortfall of the factor's
    points against the reference's average.

    Parameters
    ----------
    model : object
        A fitted model, a pipeline, or a function from rows to one score.
    X : table of shape (rows, features)
        Applicants; the ones below the cut-off get reasons.
    cutoff : float
        In units of `space`. At or beyond it, in the favourable direction, is approved.
    background : table of shape (background rows, features)
        Applicants to compare with, approved and not.
    favorable : label, "high" or "low"
        The class that is good for the person. For a model with one number: "high" (default) or "low".
    method : {"approved", "all"}
        Compare with applicants at or just above the cut-off (A), or with all of them (B).
    codebook : path, mapping or Codebook, optional
        Codes and sentences, groups of correlated features, protected and proxy marks. A group moves as one feature in
        trees and linear models; for other models the values of its members are added up.
    max_reasons : int
        Most reasons per decision.
    space : {"raw", "probability", "log_odds"}
        Units of the score.
    resamples : int
        Backgrounds drawn anew to see whether the reasons stay; 0 skips this.
    budget : int, optional
        Coalitions per row for models that must be sampled.
    random_state : int

    Returns
    -------
    ReasonCodes

    Raises
    ------
    InputError
        When an argument does not fit, the codebook has an unknown key, or no background row is approved.

    References
    ----------
    12 CFR 1002.9 and its official interpretation, comment 9(b)(2); see ``docs/reason-codes.md``.

    Examples
    --------
    >>> import pellucid
    >>> from pellucid.datasets import load_hmda
    >>> from sklearn.linear_model import LogisticRegression
    >>> hmda = load_hmda()
    >>> X = hmda.X[["pirat", "lvrat", "chist"]]
    >>> model = LogisticRegression(max_iter=1000).fit(X, hmda.y)
    >>> found = pellucid.reason_codes(model, X.head(50), cutoff=0.0, favorable="no", background=X)
    >>> all(reason.move > 0 for decision in found.decisions for reason in decision.reasons)
    True
    """
    wanted = _check(method, max_reasons, resamples)
    rows = Table.of(background, what="background")
    read = as_model(model, reference=rows)
    features = read.features or rows.names
    rows, table = rows.aligned(features, what="background"), Table.of(X).aligned(features)
    if not len(rows):
        raise InputError("background must have at least one row; got none.")
    scoring = Scoring.of(read, favorable=favorable, cutoff=cutoff, space=space)
    factors = Codebook.of(codebook).read(features)
    scores = scoring.scores(rows)
    reference = reference_rows(scoring, scores, wanted)
    if not len(reference):
        raise InputError(
            f"no background row reaches the cut-off {scoring.cutoff:g}, so nobody approved can be compared with. Pass "
            "a background with approved applicants, check favorable= and the units of cutoff=, or use method='all'."
        )
    asked = _Asked(
        scoring=scoring,
        background=rows,
        scores=scores,
        method=wanted,
        reference=reference,
        factors=factors,
        players=players_of(factors, features),
        most=max_reasons,
        budget=budget,
        random_state=random_state,
    )
    found = _decisions(asked, table, resamples)
    return ReasonCodes(
        decisions=found.decisions,
        n_rows=len(table),
        cutoff=scoring.cutoff,
        favorable=str("high" if favorable is None else favorable),
        space=str(read.resolve(scoring.space)),
        method=wanted,
        n_reference=len(reference),
        n_background=len(rows),
        reference_score=float(scores[reference].mean()),
        resamples=found.resamples,
        provenance=found.provenance,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Asked:
    """What is asked of every row: the score, the applicants behind it, the factors and how many may be listed."""

    scoring: Scoring
    background: Table
    scores: Array
    method: Reference
    reference: Int1
    factors: tuple[Factor, ...]
    players: Int1
    most: int
    budget: int | None
    random_state: int

    def claims(self, X: Table, reference: Int1) -> "_Claims":
        """Contributions of every factor against these background rows."""
        firsts = np.array([int(np.argmax(self.players == g)) for g in range(len(self.factors))])
        explainer = Explainer(
            grouped(self.scoring.model, firsts[self.players]),
            self.background.take(reference),
            space=str(self.scoring.space),
            budget=self.budget,
            random_state=self.random_state,
            progress=False,
        )
        explanation = explainer(X)
        values, errors = self.scoring.contributions(explanation)
        indicator = np.eye(len(self.factors))[self.players]
        bound = explanation.quality.bound or 0.0
        floor = SURE * np.sqrt(errors**2 @ indicator) + bound
        return _Claims(values=values @ indicator, floor=floor, most=self.most, provenance=explanation.provenance)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Claims:
    """Contributions (rows, factors) in the person's favour, and how far below zero they must lie to be claimed."""

    values: Float2
    floor: Float2
    most: int
    provenance: Provenance

    def ordered(self) -> list[list[int]]:
        """Factors of each row that lie surely below zero, the lowest first."""
        return [
            [int(g) for g in np.argsort(row, kind="stable") if row[g] < -least[g]]
            for row, least in zip(self.values, self.floor, strict=True)
        ]

    def principal(self) -> Bool2:
        """Which factors are among the largest claims of each row."""
        found = np.zeros(self.values.shape, dtype=bool)
        for i, claimed in enumerate(self.ordered()):
            found[i, claimed[: self.most]] = True
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class _Found:
    decisions: tuple[AdverseDecision, ...]
    resamples: int
    provenance: Provenance


def _decisions(asked: _Asked, table: Table, resamples: int) -> _Found:
    """Claim, test, and look whether the reasons stay."""
    scoring = asked.scoring
    scores = scoring.scores(table)
    adverse = np.flatnonzero(~scoring.approved(scores))
    X = table.take(adverse)
    claims = asked.claims(X, asked.reference)
    tested = _tested(asked, X, claims)
    others, (stable, drawn) = _others(asked, X), _stability(asked, X, resamples)
    mean = float(asked.scores[asked.reference].mean())
    decisions = []
    for i, row in enumerate(adverse):
        distance = scoring.sign * (scoring.cutoff - float(scores[row]))
        held, refuted = (
            tuple(
                Reason(
                    **vars(asked.factors[g]),
                    contribution=float(claims.values[i, g]),
                    move=move,
                    reaches_cutoff=move >= distance,
                    in_other=None if others is None else bool(others[i, g]),
                    stability=float(stable[i, g]) if drawn else None,
                )
                for g, move in part
            )
            for part in tested[i]
        )
        lowered = -float(claims.values[i][claims.values[i] < 0].sum())
        decisions.append(
            AdverseDecision(
                row=int(row),
                score=float(scores[row]),
                distance=distance,
                gap=scoring.sign * (mean - float(scores[row])),
                reasons=held,
                refuted=refuted,
                coverage=-sum(reason.contribution for reason in held) / lowered if lowered else 0.0,
            )
        )
    return _Found(decisions=tuple(decisions), resamples=drawn, provenance=claims.provenance)


_Tested: TypeAlias = tuple[list[tuple[int, float]], list[tuple[int, float]]]


def _tested(asked: _Asked, X: Table, claims: _Claims) -> list[_Tested]:
    """For each row: factors that moved the score as claimed, and those that did not, with their moves.

    The largest claims are tested first, until enough have held.
    """
    game = MarginalGame(
        model=asked.scoring.model,
        background=asked.background.take(asked.reference),
        space=asked.scoring.space,
        players=asked.players,
    )
    games = game.rows(X)
    waiting = claims.ordered()
    result: list[_Tested] = [([], []) for _ in waiting]
    while any(waiting):
        batch = []
        for i, claimed in enumerate(waiting):
            take = asked.most - len(result[i][0])
            batch += [(i, g) for g in claimed[:take]]
            waiting[i] = claimed[take:] if take else []
        moves = asked.scoring.sign * _moves(games, batch, asked.scoring.output)
        for (i, g), move in zip(batch, moves, strict=True):
            size = ROUNDING * max(1.0, float(np.abs(games.full[i]).max()))
            result[i][0 if move > size else 1].append((g, float(move)))
    return result


def _moves(games: RowGames, pairs: Sequence[tuple[int, int]], output: int) -> Array:
    """Change of the output when one factor of a row takes the reference's values and the others stay."""
    requests: list[tuple[int, Bool2]] = []
    for i, g in pairs:
        relevant = games.relevant[i]
        requests.append((i, (np.arange(len(relevant)) != g)[relevant][None, :]))
    changed, _ = games.evaluate(requests)
    return np.array([values[0, output] - games.full[i, output] for (i, _), values in zip(pairs, changed, strict=True)])


def _others(asked: _Asked, X: Table) -> Bool2 | None:
    """Principal factors under the other reference method; None where it has nobody to compare with."""
    other = METHODS[1 - METHODS.index(asked.method)]
    reference = reference_rows(asked.scoring, asked.scores, other)
    return asked.claims(X, reference).principal() if len(reference) and len(X) else None


def _stability(asked: _Asked, X: Table, resamples: int) -> tuple[Float2, int]:
    """Share of resampled backgrounds in which each factor is principal (rows, factors), and how many were drawn."""
    times = resamples if len(X) else 0
    references = resampled_references(
        asked.scoring, asked.scores, asked.method, times=times, random_state=asked.random_state
    )
    drawn = [asked.claims(X, reference).principal() for reference in references]
    return np.mean(drawn, axis=0) if drawn else np.zeros((len(X), len(asked.factors))), len(drawn)


def _check(method: Any, max_reasons: Any, resamples: Any) -> Reference:
    if method not in METHODS:
        raise InputError(f"method must be one of {listed(METHODS)}; got {method!r:.80}.")
    for name, value, least in (("max_reasons", max_reasons, 1), ("resamples", resamples, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f"{name} must be a whole number, at least {least}; got {value!r:.80}.")
    found: Reference = method
    return found
