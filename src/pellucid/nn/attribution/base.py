"""What every method of attribution is: hyper-parameters that answer a question."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from pellucid.nn._question import Question


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """What a method hands back; the door adds names, the gap and provenance.

    Attributes
    ----------
    values : dict of str to Tensor of shape (targets, rows, …)
        Of every site.
    outputs : Tensor of shape (rows, targets)
        The network's own.
    base : Tensor of shape (rows, targets), or None
        What the values are counted from; None is zero.
    bound : Tensor of shape (rows, targets), or None
        Gap that the method allows; None where it does not promise to add up.
    std_error : dict like `values`, or None
    background : str
        What the inputs are compared with, in words.
    warnings : tuple of str
    """

    values: Mapping[str, Tensor]
    outputs: Tensor
    base: Tensor | None = None
    bound: Tensor | None = None
    std_error: Mapping[str, Tensor] | None = None
    background: str = "none"
    warnings: tuple[str, ...] = ()


class Method(Protocol):
    """A frozen dataclass of hyper-parameters: printable and comparable."""

    name: ClassVar[str]
    summary: ClassVar[str]

    def answer(self, question: Question) -> Answer:
        """Attribute the targets to every site."""
        ...


def collected(pieces: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Join what each pass gave for its rows: tensors of shape (targets, rows, …)."""
    kept = list(pieces)
    return {name: torch.cat([piece[name] for piece in kept], dim=1) for name in kept[0]}


def rounding(outputs: Tensor, base: Tensor | float = 0.0) -> Tensor:
    """Gap that rounding can leave in a sum of many products as large as the outputs."""
    eps = torch.finfo(outputs.dtype).eps
    return 4e3 * eps * (outputs.abs() + torch.as_tensor(base, device=outputs.device).abs() + 1e-3)
