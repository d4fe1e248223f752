"""TCAV: whether a prediction rises in the direction of a concept, against directions of random concepts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from pellucid._base.errors import InputError
from pellucid._base.numbers import figure, percent
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Float1, Float2, Names
from pellucid.nn._layers import Layers
from pellucid.nn._matrices import as_matrix
from pellucid.nn._scoring import batches, call, chosen, first_input, row_targets, targets_of
from pellucid.nn._session import Network, session
from pellucid.nn._significance import holm
from pellucid.nn.activations import record

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.05
RIDGE = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class ConceptSensitivity:
    """TCAV scores of concepts at one layer. Arrays are read-only.

    Parameters
    ----------
    layer : str
    concepts : tuple of str
    scores : float64 array of shape (concepts, runs)
        Share of rows whose score rises in the concept's direction, for directions against several random sets.
    random : float64 array of shape (runs,)
        The same for random sets against random sets.
    accuracy : float64 array of shape (concepts,)
        Share of held-out examples that the direction tells from random ones; at a half there is no such direction.
    p_value : float64 array of shape (concepts,)
        That scores and random scores have one distribution (Mann-Whitney, two-sided), Holm-adjusted.
    """

    layer: str
    concepts: Names
    scores: Float2
    random: Float1
    accuracy: Float1
    p_value: Array

    def __post_init__(self) -> None:
        for name in ("scores", "random", "accuracy", "p_value"):
            getattr(self, name).flags.writeable = False

    def to_frame(self) -> "pd.DataFrame":
        """One row per concept: mean score, its spread over runs, accuracy and adjusted p-value."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        columns = {"concept": self.concepts, "score": self.scores.mean(axis=1), "std": self.scores.std(axis=1)}
        return pd.DataFrame({**columns, "accuracy": self.accuracy, "p_value": self.p_value})

    def sentence(self) -> str:
        """Say which concepts move the prediction, and which way."""
        parts = []
        for name, score, p in zip(self.concepts, self.scores.mean(axis=1), self.p_value, strict=True):
            way = "raises" if score > self.random.mean() else "lowers"
            verdict = f"{way} the score in {percent(score if way == 'raises' else 1 - score)} of rows"
            parts.append(f"{name} {verdict if p <= LEVEL else 'cannot be told from random concepts'} (p {figure(p)})")
        return f"At {self.layer}: {'; '.join(parts)}."


def tcav(
    model: Network,
    inputs: Any,
    concepts: Mapping[str, Any],
    negatives: Any,
    *,
    layer: str,
    target: Any = None,
    n_runs: int = 20,
    batch_size: int = 64,
    random_state: int = 0,
) -> ConceptSensitivity:
    """Test whether the target's score rises when a layer moves in the direction of a concept (Kim et al. 2018).

    A concept's direction is the normal of a ridge classifier between its examples and as many random ones, in closed
    form; `n_runs` draws of random examples give as many directions. Random sets against random sets are the
    yardstick: a direction always gives *some* score, and only one that differs from random directions' scores means
    something.

    Parameters
    ----------
    model : torch.nn.Module
    inputs : inputs of the class to explain
    concepts : mapping of name to inputs that show the concept
        At least 4 examples each.
    negatives : inputs that show anything
        At least twice as many as the largest concept has examples; the more, the more independent the runs are.
    layer : str
        One layer, called once.
    target : int, one per row, or a function from the model's output to one number per row
    n_runs : int
        At least 4.
    batch_size : int
    random_state : int

    Returns
    -------
    ConceptSensitivity

    Raises
    ------
    InputError
        When the layer does not exist, there are too few examples, or the score does not depend on the layer.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.concepts import tcav
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    >>> shifted = torch.randn(20, 4) + torch.tensor([3.0, 0, 0, 0])
    >>> found = tcav(model, torch.randn(30, 4), {"high": shifted}, torch.randn(100, 4), layer="1", target=0)
    >>> found.scores.shape
    (1, 20)
    """
    if not isinstance(concepts, Mapping) or not concepts:
        raise InputError("concepts must be a mapping of names to inputs, with at least one.")
    if n_runs < 4:
        raise InputError(f"n_runs must be at least 4 for a p-value; got {n_runs!r}.")
    pool = _flat(model, negatives, layer, batch_size)
    examples = {str(name): _flat(model, given, layer, batch_size) for name, given in concepts.items()}
    most = max(len(values) for values in examples.values())
    for name, values in examples.items():
        if len(values) < 4:
            raise InputError(f"a concept needs at least 4 examples; {name!r} has {len(values)}.")
    if len(pool) < 2 * most:
        raise InputError(
            f"negatives must be at least twice as many as the largest concept's {most} examples; got {len(pool)}."
        )
    slopes = _slopes(model, inputs, layer, target, batch_size)
    scores, accuracy = np.empty((len(examples), n_runs)), np.empty((len(examples), n_runs))
    for c, (name, values) in enumerate(examples.items()):
        for run in range(n_runs):
            rng = stream(random_state, f"nn.tcav.{name}", run)
            direction, accuracy[c, run] = _direction(values, pool[rng.permutation(len(pool))[: len(values)]], rng)
            scores[c, run] = _share_rising(slopes, direction)
    random = np.empty(n_runs)
    for run in range(n_runs):
        rng = stream(random_state, "nn.tcav.random", run)
        drawn = pool[rng.permutation(len(pool))[: 2 * most]]
        random[run] = _share_rising(slopes, _direction(drawn[:most], drawn[most:], rng)[0])
    p_values = [stats.mannwhitneyu(row, random, method="asymptotic").pvalue for row in scores]
    return ConceptSensitivity(
        layer=layer,
        concepts=tuple(examples),
        scores=scores,
        random=random,
        accuracy=accuracy.mean(axis=1),
        p_value=holm(np.nan_to_num(np.asarray(p_values), nan=1.0)),
    )


def _flat(model: Network, inputs: Any, layer: str, batch_size: int) -> Float2:
    found = record(model, inputs, layers=layer, batch_size=batch_size)
    if len(found) != 1:
        raise InputError(f"layer must name one layer that is called once; {layer!r} gave {', '.join(found.layers)}.")
    return as_matrix(next(iter(found.values())), f"layer {layer!r}")


def _slopes(model: Network, inputs: Any, layer: str, target: Any, batch_size: int) -> Float2:
    """Gradients of each row's score with respect to the layer, flattened."""
    x = first_input(inputs)
    targets = row_targets(target, len(x), x.device)
    found = Layers(model, (layer,))
    parts = []
    start = 0
    with session(model):
        for batch in batches(inputs, batch_size):
            rows = torch.arange(start, start + len(first_input(batch)), device=x.device)
            start += len(rows)
            leaves: list[Tensor] = []

            def change(_: str, value: Tensor, leaves: list[Tensor] = leaves) -> Tensor:
                leaves.append(value.detach().requires_grad_())
                return leaves[-1].clone()  # what comes next may work in place

            with found.recorded(change):
                score = chosen(call(model, batch), targets_of(targets, rows))
            if not score.requires_grad:
                raise InputError(
                    f"the score does not depend on layer {layer!r}, so no concept at it can move the score."
                )
            parts.append(torch.autograd.grad(score.sum(), leaves[-1])[0].flatten(1).double().cpu().numpy())
    return np.concatenate(parts)


def _direction(positive: Float2, negative: Float2, rng: np.random.Generator) -> tuple[Float1, float]:
    """Ridge classifier's normal, and how often it is right on a quarter held out (then it is fitted on all)."""
    X = np.concatenate([positive, negative])
    y = np.repeat([1.0, -1.0], [len(positive), len(negative)])
    out = np.zeros(len(y), dtype=bool)
    for side in (np.flatnonzero(y > 0), np.flatnonzero(y < 0)):
        out[rng.permutation(side)[: max(1, len(side) // 4)]] = True
    weights, middle = _ridge(X[~out], y[~out])
    right = ((X[out] - middle) @ weights > 0) == (y[out] > 0)
    return _ridge(X, y)[0], float(right.mean())


def _ridge(X: Float2, y: Float1) -> tuple[Float1, Float1]:
    """Normal of the ridge classifier in dual form (rows are few), and the point halfway between the classes."""
    middle = (X[y > 0].mean(axis=0) + X[y < 0].mean(axis=0)) / 2
    centred = X - middle
    gram = centred @ centred.T
    penalty = RIDGE * max(float(np.trace(gram)), 1e-300)
    return centred.T @ np.linalg.solve(gram + penalty * np.eye(len(y)), y), middle


def _share_rising(slopes: Float2, direction: Float1) -> float:
    along = slopes @ direction
    return float(((along > 0) + 0.5 * (along == 0)).mean())
