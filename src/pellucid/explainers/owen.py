"""Owen values: features in nested groups, by sampled orders that keep every group together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Bool1, Int1, Names
from pellucid.explainers.base import Attribution, Needs, Question
from pellucid.explainers.estimation import estimate_rows
from pellucid.explainers.permutation import AntitheticPermutations, pairs_for
from pellucid.games import MarginalGame
from pellucid.games.marginal import marginal_game
from pellucid.table import Table, listed

Groups: TypeAlias = Sequence[Any] | Mapping[str, Any]
"""Names of features, and groups of them, nested as deep as one likes; the names of a mapping's groups are only read."""
Tree: TypeAlias = "int | list[Tree]"


@dataclass(frozen=True)
class Owen:
    """Owen values (Owen, 1977; Winter, 1989, for nested groups): Shapley values that respect a hierarchy.

    Groups enter one after another and a feature only moves within its own group, so a feature's value does not
    depend on how another group is cut into features, and the values of a group add up to its Shapley value among the
    groups. They are means over random orders that keep every group together; orders come in pairs with their
    reverse, and every value has a standard error.

    Parameters
    ----------
    groups : sequence or mapping
        Nested groups of feature names, such as ``[["latitude", "longitude"], "age"]`` or
        ``{"place": ["latitude", "longitude"]}``. Features that are in none stand alone.

    Raises
    ------
    InputError
        When it is neither, or a feature is in two groups.

    Examples
    --------
    >>> import pellucid, numpy as np
    >>> X, background = np.array([[1.0, 1.0, 1.0]]), np.zeros((1, 3))
    >>> model = lambda X: X[:, 0] * X[:, 2]
    >>> pellucid.explain(model, X, background=background, method=pellucid.Owen([["x0", "x1"]])).values.ravel()
    array([0.5, 0. , 0.5])
    """

    name: ClassVar[str] = "owen"
    needs: ClassVar[Needs] = "predict"
    summary: ClassVar[str] = "sampled values of features in nested groups, with standard errors"

    groups: Groups

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for name in _leaves(self.groups):
            if name in seen:
                raise InputError(f"a feature can only be in one group; {name!r:.80} is in two.")
            seen.add(name)

    def bind(self, question: Question) -> "OwenBound":
        """Prepare the game and find the features of the groups."""
        game = marginal_game(question.model, question.background, question.space, method=self.name)
        return OwenBound(question, game, _tree(self.groups, game.background.names))


@dataclass(frozen=True, eq=False)
class OwenBound:
    """`Owen`, ready for rows."""

    question: Question
    game: MarginalGame
    tree: Tree

    def explain(self, X: Table, y: Array | None = None) -> Attribution:
        """Explain rows.

        Raises
        ------
        UnsupportedRequestError
            When the budget is too small for two pairs of orders.
        """
        asked = self.question

        def plan(relevant: Bool1) -> GroupedPermutations:
            pairs = pairs_for(int(relevant.sum()), asked, Owen.name)
            tree = _among(self.tree, np.where(relevant, np.cumsum(relevant) - 1, -1))
            return GroupedPermutations(tree, relevant, pairs, asked.random_state, stops=asked.tol is not None)

        return estimate_rows(asked, self.game.rows(X, y), plan)


class GroupedPermutations(AntitheticPermutations):
    """Antithetic permutations in which the players of a group come one after another.

    Parameters
    ----------
    tree : list
        Nested lists of the players.
    relevant : bool array
        Which features are players.
    pairs, random_state, stops
        See `AntitheticPermutations`.
    """

    def __init__(self, tree: Tree, relevant: Bool1, pairs: int, random_state: int, *, stops: bool) -> None:
        self._tree = tree
        super().__init__(int(relevant.sum()), pairs, random_state, stops=stops)

    def draw(self, rng: np.random.Generator) -> Int1:
        """Shuffle the groups of every level, each within itself."""
        return np.array(_shuffled(self._tree, rng), dtype=np.int64)


def _shuffled(tree: Tree, rng: np.random.Generator) -> list[int]:
    if isinstance(tree, int):
        return [tree]
    return [player for i in rng.permutation(len(tree)).tolist() for player in _shuffled(tree[i], rng)]


def _among(tree: Tree, place: Int1) -> Tree:
    """The tree with features renumbered as players; those that are none (-1) and what is then empty left out."""
    if isinstance(tree, int):
        return int(place[tree])
    kept = [_among(branch, place) for branch in tree]
    return [branch for branch in kept if branch not in (-1, [])]


def _members(groups: Any) -> list[Any]:
    """What stands side by side in a group.

    Raises
    ------
    InputError
        When it is no group.
    """
    if isinstance(groups, Mapping):
        return list(groups.values())
    if isinstance(groups, list | tuple):
        return list(groups)
    raise InputError(f"groups must be lists of feature names, or of such lists; got {groups!r:.80}.")


def _leaves(groups: Any) -> list[str]:
    return [
        name for one in _members(groups) for name in ([one] if isinstance(one, str) else _leaves(one))
    ]  # fmt: skip


def _tree(groups: Any, features: Names) -> Tree:
    """Positions of the named features, nested as they are; the others stand alone beside them."""
    position = {name: j for j, name in enumerate(features)}
    unknown = [name for name in _leaves(groups) if name not in position]
    if unknown:
        raise InputError(f"groups name features that are not there: {listed(unknown)}. There are {listed(features)}.")

    def placed(one: Any) -> Tree:
        return position[one] if isinstance(one, str) else [placed(part) for part in _members(one)]

    alone: list[Tree] = [position[name] for name in features if name not in set(_leaves(groups))]
    return [*(placed(one) for one in _members(groups)), *alone]
