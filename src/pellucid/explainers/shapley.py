"""Sampled Shapley values of any model, with standard errors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

import numpy as np

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._base.typing import Array, Bool1
from pellucid.explainers.base import Attribution, Needs, Question
from pellucid.explainers.chain import Fitted, fit_chain
from pellucid.explainers.coalitions import pair_design
from pellucid.explainers.estimation import Fork, Plan, by_count, estimate_rows
from pellucid.explainers.exact import MOST_PLAYERS, Enumeration
from pellucid.explainers.least_squares import PairedLeastSquares, levels
from pellucid.games import MarginalGame
from pellucid.games.marginal import marginal_game
from pellucid.table import Table

Estimator: TypeAlias = Literal["auto", "odd_gp", "least_squares"]


def default_budget(n: int) -> int:
    """Coalitions per row for n players when the caller names none."""
    return 2048 + 2 * n


def smallest_budget(n: int) -> int:
    """Fewest coalitions per row: two pairs per player and the two ends, or all there are."""
    return min(2**n, 4 * n + 2) if n < 60 else 4 * n + 2


@dataclass(frozen=True)
class Shapley:
    """Shapley values of the marginal game, from sampled pairs of coalitions.

    One seeded design serves all rows. The values of a row add up exactly; each has a standard error
    over what was not evaluated. Where the budget covers every coalition, all are evaluated and
    the values are exact. With ``tol``, a row's design doubles until intervals that hold all its values at once
    in 95 % are no wider than ± tol and no value moved by more than tol when it doubled last.

    Parameters
    ----------
    estimator : {"auto", "odd_gp", "least_squares"}
        How sampled values become Shapley values. ``"odd_gp"`` is a Gaussian process over the odd part of
        the game, fitted once to a few background rows: on most measured tasks more precise, and linear in the
        model only within its errors. ``"least_squares"`` is the Shapley-kernel regression, unbiased for large
        budgets and linear in the model (the default). ``"auto"`` takes, for every row and output, the one
        with the smaller leave-one-out error. A row whose varying features are not those of the
        background and the loss space are left to least squares; with a background of one row every row is fitted by
        itself.

    Examples
    --------
    >>> import pellucid, numpy as np
    >>> X = np.random.default_rng(0).normal(size=(50, 16))
    >>> explanation = pellucid.explain(
    ...     lambda X: np.tanh(X.sum(axis=1)), X[:2], background=X, method="shapley", budget=500
    ... )
    >>> bool(explanation.std_error.max() < 0.05)
    True
    """

    name: ClassVar[str] = "shapley"
    needs: ClassVar[Needs] = "predict"
    summary: ClassVar[str] = "sampled Shapley values of any model, with standard errors"

    estimator: Estimator = "least_squares"

    def __post_init__(self) -> None:
        if self.estimator not in get_args(Estimator):
            raise InputError(f"estimator must be one of {get_args(Estimator)}; got {self.estimator!r}.")

    @property
    def adapts(self) -> bool:
        """Whether the estimator is fitted to the model, and so is linear in it only within its errors."""
        return self.estimator != "least_squares"

    def bind(self, question: Question) -> "ShapleyBound":
        """Prepare the game and, unless least squares is asked for, fit the Gaussian process."""
        game = marginal_game(question.model, question.background, question.space, method=self.name)
        pairs = pairs_for(int(game.varying.sum()) or game.n_players, question) if self.adapts else None
        fitted = None if pairs is None else fit_chain(game, question, pairs, choose=self.estimator == "auto")
        return ShapleyBound(question, game, fitted)


def pairs_for(n: int, question: Question) -> int | None:
    """Pairs per row for n players; None where all coalitions fit the budget.

    Raises
    ------
    UnsupportedRequestError
        When the budget is too small.
    """
    budget = default_budget(n) if question.budget is None else question.budget
    if n <= MOST_PLAYERS and 2**n <= budget:
        return None
    if budget < smallest_budget(n):
        raise UnsupportedRequestError(
            f"method='shapley' needs at least {smallest_budget(n)} coalitions per row for {n} features that "
            f"matter; got budget={budget}. Pass budget={smallest_budget(n)} or more."
        )
    return (budget - 2) // 2


@dataclass(frozen=True, eq=False)
class ShapleyBound:
    """`Shapley`, ready for rows."""

    question: Question
    game: MarginalGame
    fitted: Fitted | None

    def explain(self, X: Table, y: Array | None = None) -> Attribution:
        """Explain rows.

        Raises
        ------
        UnsupportedRequestError
            When the budget is too small for the number of features.
        """
        prepared = 0 if self.fitted is None else self.fitted.model_rows
        return estimate_rows(self.question, self.game.rows(X, y), self.planner(), prepared=prepared)

    def planner(self) -> Callable[[Bool1], Plan | Fork]:
        """Return the function from relevant players to the plan for them."""
        by_number = by_count(self._plan)

        def plan(relevant: Bool1) -> Plan | Fork:
            if self.fitted is not None and np.array_equal(relevant, self.fitted.relevant):
                return self.fitted.plan
            return by_number(relevant)

        return plan

    def _plan(self, n: int) -> Plan:
        pairs = pairs_for(n, self.question)
        if pairs is None:
            return Enumeration(n)
        design = pair_design(n, pairs, self.question.random_state)
        return PairedLeastSquares(design, levels(n, pairs, self.question))
