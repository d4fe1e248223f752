"""Which method answers a question, by a pure rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pellucid._base.errors import UnsupportedRequestError
from pellucid.explainers.base import Method
from pellucid.explainers.exact import Exact
from pellucid.explainers.lime import Lime
from pellucid.explainers.linear import Linear
from pellucid.explainers.permutation import Permutation
from pellucid.explainers.shapley import Shapley
from pellucid.explainers.tree import Tree
from pellucid.ir import LinearForm, Model, Space, TreeEnsemble

METHODS: Mapping[str, type[Any]] = {method.name: method for method in (Tree, Linear, Exact, Shapley, Permutation, Lime)}
ENUMERABLE = 2048
"""Coalitions that "auto" enumerates without being given a budget."""
LEAST_SQUARES_FEATURES = 1000
"""Beyond this many features the least-squares system costs more than it saves."""


@dataclass(frozen=True)
class Choice:
    """A method and the sentence that says why it was taken."""

    method: Method
    reason: str


def choose(
    model: Model, *, n_features: int, has_background: bool, space: Space = Space.RAW, budget: int | None = None
) -> Choice:
    """Choose the cheapest method that is exact, else the best sampled one.

    A pure function of what is asked; it never swaps an impossible request for another.

    Raises
    ------
    UnsupportedRequestError
        When no method can answer, with what to pass.
    """
    structure = model.structure if model.structure_answers(space) else None
    if isinstance(structure, TreeEnsemble):
        game = "against the background rows" if has_background else "with the trees' own cover as background"
        return Choice(Tree(), f"{model.label} is a tree ensemble, so Shapley values are exact {game}.")
    why = model.why_no_structure if model.structure is None else f"its structure does not compute {str(space)!r}"
    why = f"{model.label} {why[3:]}" if why.startswith("it ") else why
    if not has_background:
        because = "" if isinstance(structure, LinearForm) else f" ({why})"
        raise UnsupportedRequestError(
            f"{model.label} needs background= to be explained in space={str(space)!r}: "
            f"rows that stand for hidden features, such as 100 training rows{because}."
        )
    if isinstance(structure, LinearForm):
        return Choice(Linear(), f"{model.label} is linear, so Shapley values are exact in closed form.")
    allowed = ENUMERABLE if budget is None else budget
    if n_features < 60 and 2**n_features <= allowed:
        return Choice(Exact(), f"{why}; {n_features} features have {2**n_features} coalitions, so all are evaluated.")
    if n_features <= LEAST_SQUARES_FEATURES:
        return Choice(Shapley(), f"{why}; {n_features} features are too many to enumerate, so coalitions are sampled.")
    return Choice(Permutation(), f"{why}; with {n_features} features, permutations are sampled.")


def no_such_method(method: Any) -> str:
    """Say which methods there are."""
    known = ", ".join(map(repr, METHODS))
    return f"method must be 'auto', one of {known}, or an instance such as Lime(); got {method!r:.80}."
