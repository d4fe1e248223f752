"""Layers and their calls, by name: ``"layer4"``, ``"layer?.*"``, ``"layer4.relu#2"``.

A layer's name is the path that ``named_modules`` gives it. One that is called several times in a forward pass is
as many sites, ``"relu#1"``, ``"relu#2"``, …; the bare name means all of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from torch import Tensor, nn

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._base.typing import Names
from pellucid.nn._intercept import tensors_in
from pellucid.nn._session import Network
from pellucid.table import listed

Change: TypeAlias = Callable[[str, Tensor], Tensor]
"""A function of a site's ``name#call`` and output that returns what the network goes on with."""


@dataclass(eq=False)
class Layers:
    """The layers that some patterns name, in the order of the network's ``named_modules``.

    Parameters
    ----------
    model : Network
    patterns : tuple of str
        Names or globs, each with or without ``#call``.

    Raises
    ------
    InputError
        When a pattern matches no layer; the nearest names are offered.

    Attributes
    ----------
    modules : dict of torch.nn.Module to str
        The layers and their names.
    calls : dict of str to int
        How often each was called in the last recorded forward pass.
    """

    model: Network
    patterns: Names
    modules: dict[nn.Module, str] = field(init=False)
    calls: dict[str, int] = field(init=False, default_factory=dict)
    _wanted: dict[str, set[int] | None] = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.model, nn.Module):
            raise UnsupportedRequestError(
                "a plain function has no layers with names; give a torch.nn.Module, or leave layers=None."
            )
        if not self.patterns:
            raise InputError("layers must name at least one layer; got none.")
        names: dict[str, nn.Module] = dict(self.model.named_modules(remove_duplicate=False))
        self.modules, self._wanted = {}, {}
        for pattern in self.patterns:
            name, call = _read(pattern)
            found = [known for known in names if known and fnmatchcase(known, name)]
            if not found:
                raise InputError(_unknown(pattern, [known for known in names if known]))
            for known in found:
                first = self.modules.setdefault(names[known], known)  # a shared module has its first name
                calls = self._wanted.setdefault(first, set())
                self._wanted[first] = None if call is None or calls is None else calls | {call}

    @contextmanager
    def recorded(self, change: Change | None = None) -> Iterator[dict[str, Tensor]]:
        """Collect the output of every site of the forward passes inside, by its full name ``name#call``.

        A layer's output is its first tensor where it returns several. The network goes on with a copy, so that
        no in-place function spoils what was collected, or with what `change` returns.
        """
        kept: dict[str, Tensor] = {}
        self.calls = calls = dict.fromkeys(self.modules.values(), 0)

        def hook(module: nn.Module, _: Any, output: Any) -> Any:
            name = self.modules[module]
            calls[name] += 1
            tensors = tensors_in(output)
            if not tensors:
                return None
            site, wanted = f"{name}#{calls[name]}", self._wanted[name]
            if wanted is not None and calls[name] not in wanted:
                return None
            kept[site] = tensors[0]
            return with_first_tensor(output, tensors[0].clone() if change is None else change(site, tensors[0]))

        handles = [module.register_forward_hook(hook) for module in self.modules]
        try:
            yield kept
        finally:
            for handle in handles:
                handle.remove()

    def named(self, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give the sites of one forward pass their shortest names: ``relu`` where it is called once.

        Raises
        ------
        InputError
            When a layer or a call that was asked for by name did not take place.
        """
        for pattern in self.patterns:
            name, call = _read(pattern)
            counts = {known: count for known, count in self.calls.items() if fnmatchcase(known, name)}
            if counts and max(counts.values()) < (call or 1):
                there = [f"{known}#{k + 1}" for known, count in counts.items() for k in range(count)]
                raise InputError(
                    f"layer {pattern!r} was not called in this forward pass; "
                    + (f"the calls are {listed(there)}." if there else "nothing that it names was.")
                )
        return {site.removesuffix("#1") if self._once(site) else site: tensor for site, tensor in kept.items()}

    def _once(self, site: str) -> bool:
        name = site.rpartition("#")[0]
        return self.calls[name] == 1 and self._wanted[name] is None


def every_layer(model: Network) -> Layers:
    """Every layer of a network."""
    return Layers(model, ("*",))


def _read(pattern: Any) -> tuple[str, int | None]:
    """Split a pattern into the layer's name and the number of the call."""
    if not isinstance(pattern, str) or not pattern:
        raise InputError(f"a layer is named by text, such as 'layer4.relu#2'; got {pattern!r:.80}.")
    name, mark, call = pattern.rpartition("#")
    if not mark:
        return pattern, None
    if not call.isdecimal() or int(call) < 1:
        raise InputError(f"after '#' stands the number of a call, counted from 1; got {pattern!r:.80}.")
    return name, int(call)


def _unknown(pattern: str, names: Sequence[str]) -> str:
    name = _read(pattern)[0]
    near = get_close_matches(name, names, n=5, cutoff=0.4) or list(names)[:8]
    return f"there is no layer {pattern!r:.80}; the nearest of {len(names)} are {listed(near)}."


def with_first_tensor(output: Any, tensor: Tensor) -> Any:
    """Return a layer's output with another first tensor: tuples, lists and mappings keep their type."""
    if isinstance(output, Tensor):
        return tensor
    if isinstance(output, Mapping):
        key = next(key for key, value in output.items() if tensors_in(value))
        return _rebuilt_mapping(output, key, with_first_tensor(output[key], tensor))
    position = next(i for i, item in enumerate(output) if tensors_in(item))
    items = [*output[:position], with_first_tensor(output[position], tensor), *output[position + 1 :]]
    return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)


def _rebuilt_mapping(output: Mapping[str, Any], key: str, value: Any) -> Any:
    if hasattr(output, "__dataclass_fields__"):
        return replace(output, **{key: value})  # type: ignore[type-var]
    return type(output)({**output, key: value})  # type: ignore[call-arg]
