"""What a network is given: tensors to explain, and what stays as it is."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pellucid._base.errors import InputError, ModelError, UnsupportedRequestError
from pellucid._base.typing import Names
from pellucid.nn._intercept import Call, Interceptor, Rule
from pellucid.nn._scoring import output_tensor, rows_of
from pellucid.nn._session import Network
from pellucid.table import Table


@dataclass(frozen=True, eq=False)
class Given:
    """The inputs of a network, taken apart.

    Attributes
    ----------
    args, kwargs : tuple, dict
        What the network is called with.
    names : tuple of str
        The tensors that are explained: the floating-point ones, by keyword or position. Where there are
        none, the token ids, which are explained at their embedding.
    parts : tuple of Tensor
        Their values, rows first.
    tokens : bool
        Whether the explained tensor is the embedding of token ids.
    table : Table or None
        The rows, where they came as a table.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    names: Names
    parts: tuple[Tensor, ...]
    tokens: bool = False
    table: Table | None = None

    def __len__(self) -> int:
        return len(self.parts[0])

    def call(
        self, model: Network, parts: Sequence[Tensor], rows: Tensor, rules: Mapping[str, Rule]
    ) -> tuple[Any, set[str]]:
        """Ask the network with other values of the explained tensors; constants are those of the given rows.

        Also returns the names of functions that are no operations we know.
        """
        changed = {} if self.tokens else dict(zip(self.names, parts, strict=True))
        named: dict[Any, tuple[str, Any]] = {i: (_position(i), item) for i, item in enumerate(self.args)}
        named |= {key: (key, item) for key, item in self.kwargs.items()}
        cut = {key: changed[n] if n in changed else rows_of(item, rows, len(self)) for key, (n, item) in named.items()}
        if self.tokens:
            rules = {**rules, "embedding": _Injection(cut[self._ids_key], parts[0])}
        interceptor = Interceptor(rules)
        with interceptor:
            output = model(*(cut[i] for i in range(len(self.args))), **{key: cut[key] for key in self.kwargs})
        return output, interceptor.unknown

    @property
    def _ids_key(self) -> Any:
        return next((i for i in range(len(self.args)) if _position(i) == self.names[0]), self.names[0])

    def embedded(self, model: Network, ids: Tensor) -> Tensor:
        """Return the embedding that the network gives to other token ids."""
        seen = _Injection(ids, None)
        key = self._ids_key
        args = tuple(ids if i == key else item for i, item in enumerate(self.args))
        kwargs = {name: ids if name == key else item for name, item in self.kwargs.items()}
        try:
            with suppress(_Found), torch.no_grad(), Interceptor({"embedding": seen}):
                model(*args, **kwargs)
        except (RuntimeError, IndexError) as error:
            raise InputError(
                f"the network fails with {self.names[0]!r} of {ids.dtype}: {error}. Whole numbers are explained at the "
                "embedding that reads them; anything else must be floating-point."
            ) from error
        if seen.found is None:
            raise UnsupportedRequestError(
                f"the inputs have no floating-point tensor, and {self.names[0]!r} goes through no embedding that could "
                "be explained in its place; give floating-point inputs."
            )
        return seen.found.detach().clone()


class _Found(Exception):  # noqa: N818 - no error: the rest of the forward pass is not needed
    """The embedding is known."""


class _Injection:
    """A rule that puts other values in the place of the embedding of some token ids, once, or notes it."""

    def __init__(self, ids: Tensor, values: Tensor | None) -> None:
        self.ids, self.values = ids, values
        self.found: Tensor | None = None

    def __call__(self, call: Call) -> Any:
        given = call.input
        if self.found is not None or given.numel() != self.ids.numel() or not torch.equal(
            given.reshape(self.ids.shape), self.ids
        ):  # fmt: skip
            return call.run()
        self.found = call.run() if self.values is None else self.values
        if self.values is None:
            raise _Found
        return self.found.reshape(*given.shape, -1)


def _position(i: int) -> str:
    return "input" if i == 0 else f"input {i}"


def read_inputs(model: Network, inputs: Any) -> Given:
    """Take the inputs apart and check them.

    Raises
    ------
    InputError
        When there is no tensor, no row, a NaN, or tensors are elsewhere or of another type than the network's.
    """
    table = None
    if isinstance(inputs, list) and inputs and all(isinstance(item, Tensor) for item in inputs):
        inputs = tuple(inputs)
    if not isinstance(inputs, Tensor | Mapping | tuple):
        table = Table.of(inputs, what="inputs")
        inputs = torch.from_numpy(np.array(table.as_array(), dtype=np.float64)).to(_like(model))
    kwargs = dict(inputs.items()) if isinstance(inputs, Mapping) else {}
    args = () if kwargs else (inputs if isinstance(inputs, tuple) else (inputs,))
    named = {_position(i): item for i, item in enumerate(args)} | kwargs
    tensors = {name: item for name, item in named.items() if isinstance(item, Tensor)}
    floats = {name: item for name, item in tensors.items() if item.is_floating_point()}
    whole = {name: item for name, item in tensors.items() if item.dtype in _WHOLE and item.ndim == 2}
    chosen = floats or dict(list(whole.items())[:1])
    if not chosen:
        raise InputError(
            "inputs must be a tensor, a tuple of tensors, a mapping of keywords to tensors, or a table; one must be "
            f"floating-point or hold token ids of shape (rows, tokens). Got {type(inputs).__name__} of {list(named)}."
        )
    _check(model, chosen)
    parts = tuple(item.detach() for item in chosen.values())
    given = Given(tuple(args), kwargs, tuple(chosen), parts, tokens=not floats, table=table)
    if not floats:
        embedded = given.embedded(model, parts[0])
        given = Given(tuple(args), kwargs, tuple(chosen), (embedded,), tokens=True)
    return given


_WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def _like(model: Network) -> Tensor:
    first = _floating_state(model)
    return first[0] if first else torch.empty(0)


def _floating_state(model: Network) -> list[Tensor]:
    if not isinstance(model, nn.Module):
        return []
    return [t for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()]


def _check(model: Network, chosen: Mapping[str, Tensor]) -> None:
    state = _floating_state(model)
    rows = {len(item) if item.ndim else 0 for item in chosen.values()}
    if len(rows) > 1 or rows == {0}:
        shapes = {name: tuple(item.shape) for name, item in chosen.items()}
        raise InputError(f"inputs must have the same number of rows, at least one, as first axis; got shapes {shapes}.")
    if any(t.is_inference() for t in state):
        raise InputError(
            "the network was made under torch.inference_mode, and PyTorch computes no gradients with such weights; "
            "make it, or a copy.deepcopy of it, outside."
        )
    for name, item in chosen.items():
        if item.layout != torch.strided or item.device.type == "meta":
            kind = "on meta, without numbers" if item.device.type == "meta" else f"{item.layout}"
            raise InputError(f"{name!r} must be a dense tensor of numbers; it is {kind}.")
        devices = {t.device for t in state}
        if devices and item.device not in devices:
            raise InputError(
                f"{name!r} is on {item.device} and the network on {', '.join(map(str, sorted(devices, key=str)))}; "
                "move one of them with .to(device): nothing is moved for you."
            )
        dtypes = {t.dtype for t in state}
        if dtypes and item.is_floating_point() and item.dtype not in dtypes and not torch.is_autocast_enabled():
            wanted = str(state[0].dtype)
            raise InputError(f"{name!r} is {item.dtype} and the network {wanted}; convert it with .to({wanted}).")
        if item.is_floating_point() and not bool(torch.isfinite(item).all()):
            where = tuple(torch.nonzero(~torch.isfinite(item))[0].tolist())
            raise InputError(f"inputs must be finite; {name!r} is {float(item[where])} at {where}.")


def output_of(output: Any, rows: int) -> Tensor:
    """Read a network's output (`output_tensor`) and check it.

    Raises
    ------
    ModelError
        When there is no tensor with a row for each input, or it has NaN.
    """
    tensor = output_tensor(output)
    if not tensor.ndim or len(tensor) != rows:
        raise ModelError(
            f"the network's output must have a row for each of {rows} inputs; its shape is {tuple(tensor.shape)}."
        )
    if not bool(torch.isfinite(tensor).all()):
        raise ModelError("the network's output is not finite; find the layer with pellucid.nn.record.")
    return tensor


def read_reference(given: Given, model: Network, reference: Any, what: str, rows: int | None) -> tuple[Tensor, ...]:
    """Read a baseline or background: like the inputs, one number for all, or (for tokens) ids.

    Parameters
    ----------
    rows : int or None
        Rows it is spread to; None keeps its own.
    """
    if isinstance(reference, int | float) and not given.tokens:
        values: list[Any] = [torch.full_like(part[:1], reference) for part in given.parts]
    else:
        values = _taken_apart(given, reference, what)
    parts = []
    for name, value, part in zip(given.names, values, given.parts, strict=True):
        item = value if isinstance(value, Tensor) else torch.as_tensor(value, device=part.device)
        if item.device != part.device:
            raise InputError(
                f"{what} of {name!r} is on {item.device} and the input on {part.device}; move one of them with "
                ".to(device): nothing is moved for you."
            )
        if given.tokens and not item.is_floating_point():
            item = _embedded_ids(given, model, item)
        item = item.detach().to(part)
        item = item[None] if item.shape == part.shape[1:] else item
        if item.shape[1:] != part.shape[1:] or (rows is not None and len(item) not in (1, rows)):
            raise InputError(
                f"{what} of {name!r} must have shape {tuple(part.shape[1:])}, one for all rows or one for each; "
                f"got {tuple(item.shape)}."
            )
        if not len(item) or not bool(torch.isfinite(item).all()):
            raise InputError(f"{what} of {name!r} must have at least one row, and finite numbers.")
        parts.append(item if rows is None else item.expand(rows, *item.shape[1:]))
    return tuple(parts)


def _taken_apart(given: Given, reference: Any, what: str) -> list[Any]:
    if isinstance(reference, Mapping):
        missing = [name for name in given.names if name not in reference]
        if missing:
            raise InputError(f"{what} must have the explained inputs as keys; {missing} are missing.")
        return [reference[name] for name in given.names]
    if isinstance(reference, tuple):
        if len(reference) < len(given.names):
            raise InputError(f"{what} must have {len(given.names)} tensors, one for each of {list(given.names)}.")
        return list(reference[: len(given.names)])
    if len(given.names) > 1:
        raise InputError(
            f"{what} must be a number, or a tuple or mapping of one tensor for each of {list(given.names)}."
        )
    if isinstance(reference, Tensor | np.ndarray | int):
        return [reference]
    return [np.array(Table.of(reference, what=what).as_array(), dtype=np.float64)]


def _embedded_ids(given: Given, model: Network, ids: Tensor) -> Tensor:
    """Embed the token ids of a baseline: one id for every place, a row of them, or a batch."""
    own = (dict(enumerate(given.args)) | dict(given.kwargs))[given._ids_key]
    ids = ids.to(own)
    if ids.ndim < 2:
        return given.embedded(model, ids.expand(own.shape).contiguous())
    if len(ids) == len(own):
        return given.embedded(model, ids)
    wide = [given.embedded(model, row[None].expand(own.shape).contiguous())[:1] for row in ids]
    return torch.cat(wide)
