"""The interceptor: every function of torch that a network calls, whichever module (or none) makes the call.

A method hands `Interceptor` a table {operation: rule}. A rule gets a `Call` and returns what the network shall see
as the call's result. Operations, not functions, are the keys: ``F.relu(x)``, ``x.relu_()`` and
``nn.ReLU(inplace=True)(x)`` are all ``"relu"``.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Any, TypeAlias

from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from pellucid.nn._operations import LINEAR, name_of, operation_of, parameters_of

Rule: TypeAlias = Callable[["Call"], Any]
"""What a method does with a call; the result stands in for the call's own."""

# These are written in Python out of smaller operations, and are looked into.
_COMPOSITES = frozenset(
    (functional.multi_head_attention_forward, functional.normalize, functional.softmin, functional.gumbel_softmax)
)


@dataclass(frozen=True, eq=False)
class Call:
    """One call of an operation.

    Attributes
    ----------
    operation : str
        Its name, whichever alias was called.
    function : callable
        The alias.
    arguments : dict
        By name; the first tensor is mostly ``"input"``. What was to be changed in place is a copy here.
    """

    operation: str
    function: Callable[..., Any]
    arguments: Mapping[str, Any]
    positional: tuple[str, ...]

    @property
    def input(self) -> Any:
        """The operand of that name, or None."""
        return self.arguments.get("input")

    def get(self, name: str, default: Any = None) -> Any:
        """Return an argument that may not have been given."""
        return self.arguments.get(name, default)

    def run(self, **changed: Any) -> Any:
        """Call the function itself, with some arguments changed; no operand is changed in place."""
        arguments = {**self.arguments, **changed}
        if _changes_its_input(self.function):
            arguments["input"] = arguments["input"].clone()
        args = [arguments.pop(name) for name in self.positional]
        return self.function(*args, **arguments)

    @property
    def asks_gradient(self) -> bool:
        """Whether a gradient can flow through the call."""
        return any(isinstance(a, Tensor) and a.requires_grad for a in self.arguments.values())


class Interceptor(TorchFunctionMode):
    """A context in which calls of the table's operations are answered by its rules.

    Rules are not intercepted themselves. In-place and ``out=`` calls write the rule's result where the caller expects
    it, and the rule sees neither. `nn.MultiheadAttention` and other composites are looked into.

    Parameters
    ----------
    rules : mapping of str to callable
        Names of operations are the keys of `_operations.OPERATIONS`.

    Attributes
    ----------
    unknown : set of str
        Names of called functions that are neither linear nor operations that have rules, and that a gradient
        flows through.

    Examples
    --------
    >>> import torch
    >>> with Interceptor({"relu": lambda call: call.run() + 1}):
    ...     torch.nn.ReLU(inplace=True)(torch.tensor([-1.0, 2.0]))
    tensor([1., 3.])
    """

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        super().__init__()
        self.rules = rules
        self.unknown: set[str] = set()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Answer one call; PyTorch has taken this context off meanwhile."""
        kwargs = kwargs or {}
        if func in _COMPOSITES:
            with self:
                return _opened(func)(*args, **kwargs)
        operation = operation_of(func)
        rule = self.rules.get(operation) if operation is not None else None
        if rule is None or operation is None:
            return self._noted(func, operation, func(*args, **kwargs))
        return _answered(rule, operation, func, args, kwargs)

    def _noted(self, func: Callable[..., Any], operation: str | None, result: Any) -> Any:
        name = name_of(func)
        if (
            operation is None
            and isinstance(result, Tensor)
            and result.requires_grad
            and not LINEAR & {name, name.rstrip("_")}
        ):
            self.unknown.add(name)
        return result


def _answered(
    rule: Rule, operation: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Ask the rule, and put its result where the caller expects it."""
    names = parameters_of(func, operation)[: len(args)]
    arguments = dict(zip(names, args, strict=False)) | kwargs
    if len(names) < len(args):  # such as x.view(2, 3): more operands than names
        return func(*args, **kwargs)
    out = arguments.pop("out", None)
    changed = None
    if _changes_its_input(func) or arguments.get("inplace"):
        changed = arguments["input"]
        arguments["input"] = changed.clone()
        if "inplace" in arguments:
            arguments["inplace"] = False
    result = rule(Call(operation, func, arguments, tuple(name for name in names if name in arguments)))
    if changed is not None:
        return changed.copy_(result)
    return out.resize_(result.shape).copy_(result) if isinstance(out, Tensor) else result


def _changes_its_input(func: Callable[..., Any]) -> bool:
    """Whether a function is an in-place variant, by PyTorch's rule for their names."""
    name = name_of(func)
    return (name.endswith("_") and not name.endswith("__")) or (name.startswith("__i") and name in _AUGMENTED)


_AUGMENTED = frozenset(f"__i{name}__" for name in ("add", "sub", "mul", "truediv", "div", "pow", "matmul"))


@lru_cache(maxsize=64)
def _opened(func: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same Python function, which no longer asks whether somebody overrides it.

    Asking is how it comes here instead of running its body, whose own calls are the ones to see.
    """
    function = inspect.unwrap(func)
    if not isinstance(function, FunctionType):
        return func
    unasked = dict.fromkeys((n for n in function.__globals__ if n.startswith("has_torch_function")), _nobody)
    opened = FunctionType(function.__code__, function.__globals__ | unasked, function.__name__, function.__defaults__)
    opened.__kwdefaults__ = function.__kwdefaults__
    return opened


def _nobody(*_: Any) -> bool:
    return False


def tensors_in(value: Any) -> list[Tensor]:
    """Every tensor in nested tuples, lists and mappings, in their order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [tensor for item in value for tensor in tensors_in(item)] if isinstance(value, tuple | list) else []
