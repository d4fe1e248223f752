"""A question to a network: what is explained, where it is read off, and how the network is asked."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._base.typing import Names
from pellucid.nn._given import Given, output_of
from pellucid.nn._intercept import Rule
from pellucid.nn._layers import Layers
from pellucid.nn._session import Network

Target: TypeAlias = tuple[int, ...]
"""Position of one number in a row of the network's output, or of a layer's."""

MEMORY = 1 << 28
"""Bytes of activations that one pass may keep for its gradients; more rows are asked in several passes."""
_GUESS = 256
"""Bytes kept for each byte of input, until the first pass has been measured."""


@dataclass(frozen=True, eq=False)
class Pass:
    """One forward and backward pass.

    Attributes
    ----------
    rows : slice
        The rows of the pass among those asked.
    outputs : Tensor of shape (rows, targets)
    values : dict of str to Tensor
        Of the sites: the explained inputs, or layers.
    gradients : dict of str to Tensor of shape (targets, rows, …)
    """

    rows: slice
    outputs: Tensor
    values: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor]


@dataclass(eq=False)
class Question:
    """What is asked of a network.

    Attributes
    ----------
    model, given : Network, Given
    target : object
        What the caller said is to be explained: positions in a row of the output, or of a layer where `unit_layer` is
        given. Read when the first output is seen.
    targets, outputs_named : tuple of Target, tuple of str
        What that means.
    layers : Layers or None
        Where attributions are read off; None is the inputs.
    unit_layer : Layers or None
        The one layer whose units are the targets.
    baseline : tuple of Tensor
        With a row for each explained row.
    background : tuple of Tensor or None
    model_rows, gradients : int
        What was asked so far.
    unknown : set of str
        Names of functions that rules had nothing to say about.
    """

    model: Network
    given: Given
    target: Any
    layers: Layers | None
    unit_layer: Layers | None
    baseline: tuple[Tensor, ...]
    baseline_in_words: str
    background: tuple[Tensor, ...] | None
    budget: int | None
    tol: float | None
    random_state: int
    model_rows: int = 0
    gradients: int = 0
    unknown: set[str] = field(default_factory=set)
    targets: tuple[Target, ...] = ()
    outputs_named: Names = ()
    _bytes: float = 0.0

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """The explained tensors."""
        return self.given.parts

    def __len__(self) -> int:
        return len(self.given)

    def every_row(self) -> Tensor:
        """Numbers of the explained rows."""
        return torch.arange(len(self), device=self.parts[0].device)

    def outputs(self, parts: Sequence[Tensor], rows: Tensor) -> Tensor:
        """Outputs (rows, targets) for values of the explained tensors, without gradients."""
        return torch.cat([outputs for outputs, _ in self.evaluations(parts, rows)])

    def evaluations(self, parts: Sequence[Tensor], rows: Tensor) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """Yield outputs and the layers' values, without gradients, in passes that fit the memory."""
        for cut in self._cuts(len(rows)):
            with torch.no_grad():
                yield self.forward([part[cut] for part in parts], rows[cut])

    def passes(
        self,
        parts: Sequence[Tensor],
        rows: Tensor,
        rules: Callable[[slice], Mapping[str, Rule]] = lambda _: {},
    ) -> Iterator[Pass]:
        """Yield forward and backward passes over values of the explained tensors.

        Parameters
        ----------
        parts : sequence of Tensor
        rows : Tensor
            Which explained row each belongs to.
        rules : callable
            The rules of a pass, given its slice of `rows`.
        """
        for cut in self._cuts(len(rows)):
            yield self._pass([part[cut] for part in parts], rows[cut], cut, rules(cut))

    def _pass(self, parts: list[Tensor], rows: Tensor, cut: slice, rules: Mapping[str, Rule]) -> Pass:
        # With layers the graph begins at the first of them: the inputs need no gradient.
        leaves = parts if self.layers is not None else [p.detach().clone().requires_grad_() for p in parts]
        kept: dict[tuple[int, int], int] = {}

        def note(tensor: Tensor) -> Tensor:
            kept[tensor.untyped_storage().data_ptr(), tensor._version] = tensor.untyped_storage().nbytes()
            return tensor

        measured = (
            torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor) if not self._bytes else nullcontext()
        )
        with torch.enable_grad(), measured:
            outputs, sites = self.forward(leaves, rows, rules)
        self._bytes = self._bytes or max(1.0, sum(kept.values()) / len(rows))
        sites = sites or dict(zip(self.given.names, leaves, strict=True))
        return Pass(cut, outputs.detach(), {n: t.detach() for n, t in sites.items()}, self._backward(outputs, sites))

    def _backward(self, outputs: Tensor, sites: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if not outputs.requires_grad:
            raise UnsupportedRequestError(
                "no gradient flows from the output to what is explained: the network detaches it, or the method holds "
                "the last function constant (a softmax: explain the logits before it)."
            )
        found = []
        for k in range(outputs.shape[1]):
            more = k + 1 < outputs.shape[1]
            got = torch.autograd.grad(outputs[:, k].sum(), list(sites.values()), retain_graph=more, allow_unused=True)
            found.append([torch.zeros_like(t) if g is None else g for t, g in zip(sites.values(), got, strict=True)])
        self.gradients += outputs.numel()
        return {name: torch.stack([row[i] for row in found]) for i, name in enumerate(sites)}

    def forward(
        self, parts: Sequence[Tensor], rows: Tensor, rules: Mapping[str, Rule] | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Ask the network once: outputs (rows, targets) and the layers' values."""
        self.model_rows += len(rows)
        sites: dict[str, Tensor] = {}

        def open_(site: str, tensor: Tensor) -> Tensor:
            grad = torch.is_grad_enabled() and not tensor.requires_grad
            sites[site] = tensor.detach().clone().requires_grad_() if grad else tensor
            return sites[site].clone()

        watched = self.unit_layer or self.layers
        nothing: AbstractContextManager[dict[str, Tensor]] = nullcontext({})
        recorded = nothing if watched is None else watched.recorded(open_ if self.layers else None)
        with recorded as kept:
            # in-place functions may change what they are given, and a leaf must not be
            output, unknown = self.given.call(self.model, [p.clone() for p in parts], rows, rules or {})
        self.unknown |= unknown
        if self.unit_layer is not None:
            (units,) = self.unit_layer.named(kept).values()
            return self._picked(units), {}
        return self._picked(output_of(output, len(rows))), {} if self.layers is None else self.layers.named(sites)

    def _picked(self, output: Tensor) -> Tensor:
        """Take the targets; a unit that is a whole map stands for the sum over its places."""
        if not self.targets:
            what = "target" if self.unit_layer is None else "units"
            self.targets, self.outputs_named = targets_of(self.model, output.shape[1:], self.target, what)
        cuts: list[tuple[Any, ...]] = [(slice(None), *target) for target in self.targets]
        columns = [output[cut].reshape(len(output), -1).sum(1) for cut in cuts]
        return torch.stack(columns, dim=1)

    def _cuts(self, rows: int) -> Iterator[slice]:
        start = 0
        while start < rows:
            guess = _GUESS * sum(part[0].numel() * part.element_size() for part in self.parts)
            size = max(1, int(MEMORY / (self._bytes or guess)))
            yield slice(start, start + size)
            start += size


def targets_of(model: Network, shape: Sequence[int], target: Any, what: str) -> tuple[tuple[Target, ...], Names]:
    """Read targets: positions within a row of the output, and their names.

    Parameters
    ----------
    shape : sequence of int
        Of a row of the network's output.
    target : None, int, tuple of int, or list of these

    Raises
    ------
    InputError
        When one is negative, outside, given twice, not a number, or missing where there are several outputs.
    """
    size = 1
    for side in shape:
        size *= side
    if target is None:
        if size != 1:
            raise InputError(
                f"the network has {size} outputs of shape {tuple(shape)} for each row: say with target= which is to be "
                "explained, such as target=3, or several with target=[3, 5]."
            )
        return ((0,) * len(shape),), ("output",)
    wanted = target if isinstance(target, list | range) else [target]
    read = tuple(_position_of(item, shape, what) for item in wanted)
    if not read or len(set(read)) < len(read):
        raise InputError(f"{what} must name at least one position, each once; got {target!r:.80}.")
    labels = getattr(getattr(model, "config", None), "id2label", None) or {}
    names = [str(labels.get(t[-1], ", ".join(map(str, t)))) if len(t) == 1 else ", ".join(map(str, t)) for t in read]
    return read, tuple(names if len(set(names)) == len(names) else [", ".join(map(str, t)) for t in read])


def _position_of(item: Any, shape: Sequence[int], what: str) -> Target:
    indices = item if isinstance(item, tuple) else (item,)
    plain = all(hasattr(i, "__index__") and not isinstance(i, bool) and not isinstance(i, Tensor) for i in indices)
    if not plain:
        raise InputError(f"{what} must be a whole number, a tuple of them, or a list of these; got {item!r:.80}.")
    position = tuple(int(i) for i in indices)
    whole = len(position) == len(shape) or (what == "units" and 0 < len(position) <= len(shape))
    if not whole or any(not 0 <= i < side for i, side in zip(position, shape, strict=False)):
        axes = " × ".join(f"0…{side - 1}" for side in shape) or "one number"
        raise InputError(
            f"{what} {item!r} is outside: a row has the positions {axes} (negative ones are not counted back)."
        )
    return position


def feature_names(shapes: Mapping[str, Sequence[int]]) -> Names:
    """Name every element of some tensors: ``input[0, 3]``."""
    names: list[str] = []
    for name, shape in shapes.items():
        axes = [[str(i) for i in range(side)] for side in shape]
        names += [f"{name}[{', '.join(place)}]" for place in itertools.product(*axes)] if axes else [name]
    return tuple(names)
