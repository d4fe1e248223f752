"""Inputs of any form, row by row, and a model's score of a target."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from pellucid._base.errors import InputError, ModelError
from pellucid.explanation import Explanation
from pellucid.nn._intercept import tensors_in


def first_input(inputs: Any) -> Tensor:
    """Return the first tensor of the inputs, detached; the one that is hidden, moved or edited."""
    if isinstance(inputs, Mapping):
        candidates = list(inputs.values())
    else:
        candidates = list(inputs) if isinstance(inputs, tuple | list) else [inputs]
    tensors = [value for value in candidates if isinstance(value, Tensor)]
    if not tensors:
        raise InputError(
            f"inputs must be a tensor, or a tuple or mapping of tensors; got {type(inputs).__name__}. Make arrays "
            "tensors with torch.as_tensor."
        )
    x = tensors[0].detach()
    if x.ndim == 0 or len(x) == 0:
        raise InputError(f"inputs must have at least one row; the first tensor has shape {tuple(x.shape)}.")
    if x.is_floating_point() and not bool(x.isfinite().all()):
        raise InputError(f"inputs must be finite; {int((~x.isfinite()).sum())} numbers are NaN or infinite.")
    return x


def numbers(values: Any) -> Tensor:
    """Return attributions as a tensor: of a tensor, an array, or an explanation of one target."""
    if isinstance(values, Explanation):
        if len(values.outputs) != 1:
            raise InputError(f"the explanation is of {len(values.outputs)} targets; take one with take(outputs=[…]).")
        values = values.shaped[..., 0]
    return values.detach() if isinstance(values, Tensor) else torch.from_numpy(np.array(values, dtype=np.float64))


def taken(inputs: Any, rows: Tensor) -> Any:
    """Return these rows of every tensor that has a row for each row of the first."""
    n = len(first_input(inputs))
    if isinstance(inputs, Mapping):
        return {name: rows_of(value, rows, n) for name, value in inputs.items()}
    several = isinstance(inputs, tuple | list)
    return tuple(rows_of(value, rows, n) for value in inputs) if several else rows_of(inputs, rows, n)


def rows_of(value: Any, rows: Tensor, n: int) -> Any:
    """Return these rows of a tensor that has one for each of `n`; anything else stays as it is."""
    return value[rows.to(value.device)] if isinstance(value, Tensor) and value.ndim and len(value) == n else value


def with_first(inputs: Any, x: Tensor, rows: Tensor) -> Any:
    """Return these rows of the inputs with `x` in the place of the first tensor."""
    if isinstance(inputs, Tensor):
        return x
    part = taken(inputs, rows)
    if isinstance(part, Mapping):
        name = next(name for name, value in part.items() if isinstance(value, Tensor))
        return {**part, name: x}
    at = next(i for i, value in enumerate(part) if isinstance(value, Tensor))
    return (*part[:at], x, *part[at + 1 :])


def batches(data: Any, batch_size: int | None) -> Iterator[Any]:
    """Return inputs in batches; an iterable of inputs that is none itself is taken batch by batch.

    Raises
    ------
    InputError
        When there is no data at all.
    """
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size must be at least 1; got {batch_size!r}.")
    if isinstance(data, Tensor | Mapping | tuple | list):
        if batch_size is None:
            first_input(data)  # refuses what is empty or not finite
            yield data
        else:
            for rows in torch.arange(len(first_input(data)), device="cpu").split(batch_size):
                yield taken(data, rows)
        return
    if not hasattr(data, "__iter__"):
        raise InputError(f"data must be inputs, or an iterable of batches of inputs; got {type(data).__name__}.")
    number = -1
    for number, batch in enumerate(data):  # noqa: B007 - it says whether there was any
        first_input(batch)
        yield batch
    if number < 0:
        raise InputError("data is empty: the iterable gave no batch. A generator can be read only once.")


def call(model: Any, inputs: Any) -> Any:
    """Call the model: a mapping by keyword, a tuple by position."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple | list) else model(inputs)


def output_tensor(output: Any) -> Tensor:
    """Return the tensor a network means by its output: itself, the ``logits``, or the first tensor of anything else.

    Raises
    ------
    ModelError
        When there is none.
    """
    if isinstance(output, Mapping) and isinstance(output.get("logits"), Tensor):
        return torch.as_tensor(output["logits"])
    tensors = tensors_in(output) or tensors_in(getattr(output, "logits", None))
    if not tensors:
        raise ModelError(f"the network must return a tensor, or hold one in its output; got {type(output).__name__}.")
    return tensors[0]


Score: TypeAlias = Callable[[Any], Tensor]
"""From the model's output to one number per row."""


def row_targets(target: Any, n: int, device: Any) -> Tensor | Score | None:
    """Return one class number per row; None, and a function of the model's output, stay as they are."""
    if target is None:
        return None
    if callable(target) and not isinstance(target, Tensor):
        score: Score = target
        return score
    values = torch.as_tensor(np.asarray(target) if not isinstance(target, Tensor) else target, device=device)
    whole = not values.is_floating_point() and values.dtype != torch.bool
    if not whole or values.ndim > 1 or (values.ndim == 1 and len(values) != n):
        raise InputError(f"target must be a class number, or one for each of the {n} rows; got {target!r:.80}.")
    return values.long().expand(n) if values.ndim == 0 else values.long()


def all_outputs(model: Any, inputs: Any, batch_size: int) -> Tensor:
    """Return what a model says of every row, without gradients, so many rows at once."""
    with torch.no_grad():
        return torch.cat([output_tensor(call(model, batch)) for batch in batches(inputs, batch_size)])


def own_targets(model: Any, inputs: Any, target: Any, batch_size: int) -> tuple[Tensor | Score | None, Tensor]:
    """Return the targets, by default each row's own predicted class, and every row's score, of shape (rows,)."""
    x = first_input(inputs)
    targets = row_targets(target, len(x), x.device)
    with torch.no_grad():
        if targets is None:
            outputs = all_outputs(model, inputs, batch_size)
            outputs = outputs[:, -1] if outputs.ndim == 3 else outputs
            targets = outputs.argmax(dim=1) if outputs.ndim == 2 and outputs.shape[1] > 1 else None
            return targets, chosen(outputs, targets)
        rows = torch.arange(len(x), device=x.device).split(batch_size)
        return targets, torch.cat([row_scores(model, taken(inputs, at), targets_of(targets, at)) for at in rows])


def targets_of(target: Tensor | Score | None, rows: Tensor) -> Tensor | Score | None:
    """Return these rows' targets."""
    return target[rows.to(target.device)] if isinstance(target, Tensor) else target


def row_scores(model: Any, inputs: Any, target: Tensor | Score | None, probability: bool = False) -> Tensor:
    """Score of the target for every row, of shape (rows,), without gradients."""
    with torch.no_grad():
        return chosen(call(model, inputs), target, probability)


def chosen(output: Any, target: Tensor | Score | None, probability: bool = False) -> Tensor:
    """Score each row: its class of (rows, classes), the output itself if (rows,), or what a function makes of it.

    Of (rows, positions, words), as language models give them, the last position counts.
    """
    if callable(target) and not isinstance(target, Tensor):
        scores = target(output)
        if not isinstance(scores, Tensor) or scores.ndim != 1:
            raise InputError("target, as a function of the model's output, must return a tensor of shape (rows,).")
    else:
        scores = _picked(output_tensor(output), target, probability)
    if not bool(scores.isfinite().all()):
        raise ModelError("the model's output is NaN or infinite for some rows; look at its inputs and weights.")
    return scores


def _picked(output: Tensor, target: Tensor | None, probability: bool) -> Tensor:
    output = output[:, -1] if output.ndim == 3 else output
    if target is None:
        if output.ndim == 2 and output.shape[1] == 1:
            return output[:, 0]
        if output.ndim != 1:
            raise InputError(
                f"the model returns shape {tuple(output.shape)}, several outputs per row: say which with target=."
            )
        return output
    if output.ndim != 2:
        raise InputError(
            f"a class as target needs a model that returns (rows, classes); it returns {tuple(output.shape)}. Give a "
            "function from the output to one number per row."
        )
    if bool(((target < 0) | (target >= output.shape[1])).any()):
        raise InputError(f"target must lie between 0 and {output.shape[1] - 1}; got {target.unique().tolist()}.")
    return (output.softmax(dim=1) if probability else output).gather(1, target[:, None])[:, 0]
