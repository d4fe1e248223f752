"""Infidelity, max-sensitivity and the randomisation of parameters: whether an attribution follows the model."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pellucid._base.errors import InputError
from pellucid._base.typing import Float1, Float2, Names
from pellucid.nn._scoring import first_input, numbers, row_scores, row_targets, taken, targets_of, with_first
from pellucid.nn._session import session
from pellucid.quality.measures import Measured, measured, ranks

if TYPE_CHECKING:
    import pandas as pd

WHOLE = "the model"
"""Name of a network whose parameters are its own."""

Explain = Callable[[Any, Any], Any]
"""From (model, inputs) to attributions of shape (rows, …)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Infidelity:
    """How far an attribution is from predicting what happens to the output. Arrays are read-only.

    Parameters
    ----------
    values : float64 array of shape (rows,)
        Mean squared error over perturbations; 0 is perfect.
    std_error : float64 array of shape (rows,)
        Of that mean.
    scaled : float64 array of shape (rows,)
        The same after each attribution is multiplied by the factor that suits it best, divided by the mean squared
        change of the output: 0 is perfect, 1 is no better than zeros. It compares methods whose units differ.
    """

    values: Float1
    std_error: Float1
    scaled: Float1

    def __post_init__(self) -> None:
        for name in ("values", "std_error", "scaled"):
            getattr(self, name).flags.writeable = False


def infidelity(
    model: Any,
    inputs: Any,
    attributions: Any,
    *,
    target: Any = None,
    noise: float = 0.1,
    n_samples: int = 64,
    batch_size: int = 64,
    random_state: int = 0,
) -> Infidelity:
    """Mean squared error between ``Iᵀφ`` and ``f(x) - f(x - I)`` over Gaussian I (Yeh et al. 2019, definition 2.1).

    Parameters
    ----------
    model, inputs, target
        As in `flipping`; the first input must be floating point.
    attributions : tensor, array or Explanation
        Of the first input's shape: sensitivities, so a gradient is meant and not a gradient times the input.
    noise : float
        Standard deviation of I, in units of the input.
    n_samples : int
        Perturbations per row.
    batch_size : int
        Rows given to the model at once.
    random_state : int

    Returns
    -------
    Infidelity

    Raises
    ------
    InputError
        When shapes do not fit, or the input is not floating point.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.sensitivity import infidelity
    >>> model = torch.nn.Linear(4, 2).eval()
    >>> x = torch.randn(3, 4)
    >>> bool(infidelity(model, x, model.weight[1].expand(3, 4), target=1).values.max() < 1e-10)
    True
    """
    x = _continuous(inputs)
    values = _checked(attributions, x)
    if not noise > 0 or n_samples < 2:
        raise InputError(f"noise must be above 0 and n_samples at least 2; got {noise!r} and {n_samples!r}.")
    targets = row_targets(target, len(x), x.device)
    predicted, changed = torch.empty(2, len(x), n_samples, dtype=torch.float64)
    generator = torch.Generator().manual_seed(random_state)
    with session(model):
        plain = torch.cat(
            [row_scores(model, taken(inputs, at), targets_of(targets, at)) for at in _rows(x).split(batch_size)]
        )
        for part in torch.cartesian_prod(torch.arange(n_samples), torch.arange(len(x))).split(batch_size):
            sample, row = part.unbind(1)
            at = row.to(x.device)
            steps = noise * torch.randn(len(part), *x.shape[1:], generator=generator, dtype=torch.float64).to(x)
            change = plain[at] - row_scores(model, with_first(inputs, x[at] - steps, at), targets_of(targets, at))
            predicted[row, sample] = (steps.double() * values[at]).flatten(1).sum(dim=1).cpu()
            changed[row, sample] = change.double().cpu()
    errors = (predicted - changed) ** 2
    factor = (predicted * changed).sum(dim=1) / (predicted**2).sum(dim=1).clamp(min=1e-300)
    left = ((factor[:, None] * predicted - changed) ** 2).sum(dim=1) / (changed**2).sum(dim=1).clamp(min=1e-300)
    return Infidelity(
        values=errors.mean(dim=1).numpy(),
        std_error=(errors.std(dim=1) / n_samples**0.5).numpy(),
        scaled=left.numpy(),
    )


def max_sensitivity(
    explain: Explain,
    model: Any,
    inputs: Any,
    *,
    radius: float = 0.02,
    n_samples: int = 10,
    batch_size: int = 64,
    random_state: int = 0,
) -> Float1:
    """Largest relative change of an attribution when the input moves a little (Yeh et al. 2019, definition 2.2).

    Each row moves by uniform noise in the cube of half-width `radius`; the change is
    ``max ‖φ(x') - φ(x)‖ / ‖φ(x)‖`` over the samples, a lower bound on the maximum.

    Parameters
    ----------
    explain : callable
        From (model, inputs) to attributions of shape (rows, …); it is given many rows at once.
    model, inputs
        The first input moves and must be floating point.
    radius : float
    n_samples : int
    batch_size : int
        Rows explained at once.
    random_state : int

    Returns
    -------
    float64 array of shape (rows,)
        Infinite where the attribution of the row itself is all zero and that of a neighbour is not.

    Raises
    ------
    InputError
        When the input is not floating point, or `explain` does not return a row for each row.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.sensitivity import max_sensitivity
    >>> model = torch.nn.Linear(4, 2).eval()
    >>> gradient = lambda model, x: model.weight[0].expand_as(x)
    >>> max_sensitivity(gradient, model, torch.randn(3, 4)).tolist()
    [0.0, 0.0, 0.0]
    """
    x = _continuous(inputs)
    if not radius > 0 or n_samples < 1:
        raise InputError(f"radius must be above 0 and n_samples at least 1; got {radius!r} and {n_samples!r}.")
    plain = torch.cat([_explained(explain, model, taken(inputs, at), len(at)) for at in _rows(x).split(batch_size)])
    length = plain.norm(dim=1)
    largest = torch.zeros_like(length)
    generator = torch.Generator().manual_seed(random_state)
    for part in torch.cartesian_prod(torch.arange(n_samples), torch.arange(len(x))).split(batch_size):
        at = part[:, 1].to(x.device)
        steps = torch.empty(len(part), *x.shape[1:], dtype=torch.float64).uniform_(-radius, radius, generator=generator)
        moved = _explained(explain, model, with_first(inputs, x[at] + steps.to(x), at), len(at))
        change = (moved - plain[part[:, 1]]).norm(dim=1)
        largest.scatter_reduce_(0, part[:, 1], change, "amax")
    return np.asarray(torch.where(largest == 0, 0.0, largest / length).numpy())


@dataclass(frozen=True, kw_only=True, eq=False)
class Randomisation:
    """How attributions change when layers lose what they have learned. Arrays are read-only.

    Parameters
    ----------
    layers : tuple of str
        Of the states, from the output down; each has its layer and all before it in this order randomised.
    similarity : float64 array of shape (states, rows)
        Spearman's correlation of absolute attributions with those of the trained model.
    """

    layers: Names
    similarity: Float2

    def __post_init__(self) -> None:
        self.similarity.flags.writeable = False

    @property
    def last(self) -> Measured:
        """Similarity when everything is random, with its 95 % bootstrap interval over rows."""
        return measured(self.similarity[-1], 0)

    def to_frame(self) -> "pd.DataFrame":
        """One row per layer: mean similarity over rows."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        return pd.DataFrame({"layer": self.layers, "similarity": self.similarity.mean(axis=1)})

    def verb(self) -> str:
        """Whether explanations are alike when everything is random: a rank correlation of 0.5 is the border."""
        if self.last.low > 0.5:
            return "still resembles"
        return "resembles in part" if self.last.high > 0.5 else "no longer resembles"

    def sentence(self) -> str:
        """Say what the check found, and what it cannot say."""
        return (
            f"With all parameters random the explanation {self.verb()} the trained model's (rank correlation "
            f"{self.last}). An explanation that does not change cannot depend on what was learned; one that changes "
            "need not be right, so this check ranks nothing (Binder et al. 2023)."
        )


def parameter_randomisation(
    explain: Explain, model: torch.nn.Module, inputs: Any, *, n_states: int | None = None, random_state: int = 0
) -> Randomisation:
    """Randomise the parameters layer by layer from the output down, and compare attributions (Adebayo et al. 2018).

    Every weight of a layer is permuted among its own places, so its distribution stays. It is done on a copy; the
    model is not changed.

    Parameters
    ----------
    explain : callable
        From (model, inputs) to attributions of shape (rows, …). It must use the model it is given.
    model : torch.nn.Module
        Its modules with parameters of their own are taken in reverse order of registration.
    inputs : tensor, tuple or mapping of tensors
    n_states : int, optional
        Explain again in so many states only, evenly spread over the layers, the last of which has them all
        randomised; by default after every layer.
    random_state : int

    Returns
    -------
    Randomisation

    Raises
    ------
    InputError
        When the model has no parameters, `n_states` is below 1, there are fewer than 2 rows, or `explain` does not
        return a row for each row.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.sensitivity import parameter_randomisation
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1)).eval()
    >>> edges = lambda model, x: x
    >>> parameter_randomisation(edges, model, torch.randn(3, 4)).similarity.tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    x = first_input(inputs)
    layers = layers_from_output(model)
    if not layers:
        raise InputError("the model has no parameters to randomise.")
    if n_states is not None and n_states < 1:
        raise InputError(f"n_states must be at least 1, or None for all {len(layers)}; got {n_states!r}.")
    if len(x) < 2:
        raise InputError(f"the check is a mean over rows with an interval, so it needs at least 2 rows; got {len(x)}.")
    plain = _ranked(_explained(explain, model, inputs, len(x)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PyTorch's, of the specifications in an exported network
        changed = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(random_state)
    count = min(n_states or len(layers), len(layers))
    shown = {layers[(k + 1) * len(layers) // count - 1] for k in range(count)}
    similarity = []
    for name in layers:
        for weight in changed.get_submodule(name).parameters(recurse=False):
            order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
            weight.data = weight.detach().flatten()[order].reshape(weight.shape)
        if name not in shown:
            continue
        similarity.append((plain * _ranked(_explained(explain, changed, inputs, len(x)))).sum(axis=1))
    return Randomisation(
        layers=tuple(name or WHOLE for name in layers if name in shown), similarity=np.stack(similarity).round(12)
    )


def layers_from_output(model: torch.nn.Module) -> list[str]:
    """Modules with parameters of their own, in reverse order of registration."""
    named = [name for name, module in model.named_modules() if any(True for _ in module.parameters(recurse=False))]
    return named[::-1]


def _continuous(inputs: Any) -> Tensor:
    x = first_input(inputs)
    if not x.is_floating_point():
        raise InputError(
            f"the first input must be floating point to move a little; got {x.dtype}. Give embeddings for tokens."
        )
    return x


def _rows(x: Tensor) -> Tensor:
    return torch.arange(len(x), device=x.device)


def _checked(attributions: Any, x: Tensor) -> Tensor:
    values = numbers(attributions).to(device=x.device, dtype=torch.float64)
    if values.shape != x.shape:
        raise InputError(f"attributions must have the input's shape {tuple(x.shape)}; got {tuple(values.shape)}.")
    if not bool(values.isfinite().all()):
        raise InputError("attributions must be finite; some are NaN or infinite.")
    return values


def _explained(explain: Explain, model: Any, inputs: Any, n: int) -> Tensor:
    values = numbers(explain(model, inputs))
    if values.ndim < 1 or len(values) != n:
        raise InputError(f"explain must return one row for each of the {n} rows; its shape is {tuple(values.shape)}.")
    return values.double().cpu().flatten(1)


def _ranked(values: Tensor) -> Float2:
    """Centred ranks of absolute values, of unit length by row; zeros where all are the same."""
    table = ranks(values.abs().numpy())
    table = table - table.mean(axis=1, keepdims=True)
    length = np.linalg.norm(table, axis=1, keepdims=True)
    return np.asarray(np.divide(table, length, out=np.zeros_like(table), where=length > 0))
