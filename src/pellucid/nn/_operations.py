"""Which functions of torch are the same operation, and what their operands are called."""

import inspect
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pellucid._base.typing import Names

ELEMENTWISE: Names = (
    *("relu", "relu6", "hardtanh", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "sigmoid", "tanh"),
    *("hardswish", "hardsigmoid", "softplus", "softsign", "threshold", "logsigmoid", "log_sigmoid", "tanhshrink"),
    *("softshrink", "hardshrink", "rrelu", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "rsqrt"),
    *("square", "reciprocal", "erf", "erfc", "abs", "sin", "cos", "tan", "atan", "sinh", "cosh", "clamp", "pow"),
)
"""Functions of one tensor, element by element."""

RECTIFIERS: Names = ("relu", "relu6", "hardtanh", "clamp", "leaky_relu", "threshold", "prelu", "rrelu")
"""Elementwise functions that are made of straight pieces."""

_CONVOLUTION = ("input", "weight", "bias")
_POOL = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")

OPERATIONS: dict[str, Names] = {
    **dict.fromkeys(ELEMENTWISE, ("input",)),
    "clamp": ("input", "min", "max"),
    "pow": ("input", "exponent"),
    "softplus": ("input", "beta", "threshold"),
    "leaky_relu": ("input", "negative_slope"),
    "hardtanh": ("input", "min_val", "max_val"),
    "elu": ("input", "alpha"),
    "celu": ("input", "alpha"),
    "threshold": ("input", "threshold", "value"),
    "softshrink": ("input", "lambd"),
    "hardshrink": ("input", "lambd"),
    "prelu": ("input", "weight"),
    "glu": ("input", "dim"),
    "mul": ("input", "other"),
    "div": ("input", "other"),
    "matmul": ("input", "other"),
    "einsum": ("equation", "input", "other"),
    "maximum": ("input", "other"),
    "minimum": ("input", "other"),
    "max": ("input", "dim", "keepdim"),
    "min": ("input", "dim", "keepdim"),
    "amax": ("input", "dim", "keepdim"),
    "amin": ("input", "dim", "keepdim"),
    "norm": ("input", "p", "dim", "keepdim"),
    "var": ("input", "dim", "correction", "keepdim"),
    "std": ("input", "dim", "correction", "keepdim"),
    "softmax": ("input", "dim", "dtype"),
    "log_softmax": ("input", "dim", "dtype"),
    "logsumexp": ("input", "dim", "keepdim"),
    "layer_norm": ("input", "normalized_shape", "weight", "bias", "eps", "cudnn_enable"),
    "rms_norm": ("input", "normalized_shape", "weight", "eps"),
    "group_norm": ("input", "num_groups", "weight", "bias", "eps", "cudnn_enabled"),
    "instance_norm": (
        *("input", "weight", "bias", "running_mean", "running_var"),
        *("use_input_stats", "momentum", "eps", "cudnn_enabled"),
    ),
    "batch_norm": (
        *("input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps", "cudnn_enabled"),
    ),
    "embedding": ("input", "weight"),
    "linear": _CONVOLUTION,
    "conv": (*_CONVOLUTION, "stride", "padding", "dilation", "groups"),
    "conv_transpose": (*_CONVOLUTION, "stride", "padding", "output_padding", "groups", "dilation"),
    "addmm": ("bias", "input", "weight"),
    "max_pool": _POOL,
    "adaptive_max_pool": ("input", "output_size", "return_indices"),
    "avg_pool": ("input",),
    "scaled_dot_product_attention": ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale"),
}
"""Every operation a rule can be written for, and the names of its positional operands."""

_OTHER_NAMES: dict[str, Names] = {
    "clamp": ("clip", "clamp_min", "clamp_max"),
    "abs": ("absolute",),
    "pow": ("float_power",),
    "mul": ("multiply",),
    "div": ("divide", "true_divide"),
    "matmul": ("bmm", "mm"),
    "norm": ("vector_norm",),
    "sigmoid": ("expit",),
    "conv": ("conv1d", "conv2d", "conv3d"),
    "conv_transpose": ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
    "max_pool": ("max_pool1d", "max_pool2d", "max_pool3d"),
    "adaptive_max_pool": ("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"),
    "avg_pool": tuple(f"{kind}avg_pool{n}d" for kind in ("", "adaptive_") for n in (1, 2, 3)),
}

_SPECIAL: dict[Any, Names] = {
    torch.clamp_min: ("input", "min"),
    torch.clamp_max: ("input", "max"),
    Tensor.clamp_min: ("input", "min"),
    Tensor.clamp_max: ("input", "max"),
    Tensor.__rdiv__: ("other", "input"),
    Tensor.__rtruediv__: ("other", "input"),
    Tensor.__rmatmul__: ("other", "input"),
    Tensor.__rpow__: ("exponent", "input"),
}

_HOMES = (functional, torch, Tensor, torch.special, torch.linalg)


def _aliases(name: str) -> list[Any]:
    """Every function of that name, its in-place variant and Python's operators."""
    spelled = (name, f"{name}_", f"__{name}__", f"__i{name}__", f"__r{name}__")
    found = [getattr(home, spelling, None) for home in _HOMES for spelling in spelled]
    return [function for function in found if callable(function)]


def _operation_of() -> dict[Any, str]:
    table = {}
    for operation in OPERATIONS:
        for name in (operation, *_OTHER_NAMES.get(operation, ())):
            table.update(dict.fromkeys(_aliases(name), operation))
    table |= dict.fromkeys((Tensor.__truediv__, Tensor.__rtruediv__, Tensor.__itruediv__), "div")
    return table


OPERATION_OF: dict[Any, str] = _operation_of()
"""Name of the operation that a function of torch is."""

_OPERATION_NAMED = {other: name for name in OPERATIONS for other in (name, *_OTHER_NAMES.get(name, ()))}
_OPERANDS = {"self": "input", "mat2": "other"}
_EXPORTED: dict[str, Names] = {"addmm": OPERATIONS["addmm"], "embedding": ("weight", "input")}


def operation_of(function: Callable[..., Any]) -> str | None:
    """Name of the operation that a function is, also where it is one of ATen's, as exported networks call them."""
    found = OPERATION_OF.get(function)
    if found is None and isinstance(function, torch._ops.OpOverload) and function.namespace == "aten":
        return _OPERATION_NAMED.get(name_of(function).rstrip("_"))
    return found


def name_of(function: Callable[..., Any]) -> str:
    """Name of a function, without the overload that ATen's carry: ``relu_.default`` is ``relu_``."""
    name = str(getattr(function, "__name__", function))
    return name.partition(".")[0] if isinstance(function, torch._ops.OpOverload) else name


@lru_cache(maxsize=512)
def parameters_of(function: Callable[..., Any], operation: str) -> Names:
    """Names of a function's positional operands, the first of them ``input``."""
    if function in _SPECIAL:
        return _SPECIAL[function]
    if isinstance(function, torch._ops.OpOverload):
        written = tuple(_OPERANDS.get(a.name, a.name) for a in function._schema.arguments if not a.kwarg_only)
        return _EXPORTED.get(operation, ()) + written[len(_EXPORTED.get(operation, ())) :]
    if isinstance(function, FunctionType):
        own = inspect.signature(function, follow_wrapped=False).parameters.values()
        names = tuple(p.name for p in own if p.kind is p.POSITIONAL_OR_KEYWORD)
        if not any(p.kind is p.VAR_POSITIONAL for p in own):
            return ("input", *names[1:]) if names[0] == "self" else names
    return OPERATIONS[operation]


_ARITHMETIC = (
    "add",
    "sub",
    "subtract",
    "rsub",
    "neg",
    "negative",
    "sum",
    "mean",
    "cumsum",
    "where",
    "masked_fill",
    "tril",
)
_SHAPES = (
    *("view", "view_as", "reshape", "reshape_as", "permute", "transpose", "swapaxes", "movedim", "t", "mT", "flatten"),
    *("unflatten", "squeeze", "unsqueeze", "expand", "expand_as", "unfold", "fold", "pixel_shuffle", "pixel_unshuffle"),
)
_PIECES = (
    *("repeat", "tile", "repeat_interleave", "cat", "concat", "stack", "hstack", "vstack", "split", "chunk", "unbind"),
    *(
        "narrow",
        "select",
        "index_select",
        "gather",
        "take",
        "__getitem__",
        "__get__",
        "roll",
        "flip",
        "pad",
        "diagonal",
    ),
)
_COPIES = (
    *("contiguous", "clone", "to", "float", "double", "half", "type_as", "detach", "alias", "copy_", "dropout"),
    *("dropout1d", "dropout2d", "dropout3d", "interpolate"),
)
LINEAR = frozenset((*_ARITHMETIC, *_SHAPES, *_PIECES, *_COPIES))
"""Functions whose gradient is right as it is, by name, in place or not."""
