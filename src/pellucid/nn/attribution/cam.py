"""Class activation maps of any layers, in one forward and one backward pass."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid.nn._layers import Layers, every_layer
from pellucid.nn._question import Question
from pellucid.nn.attribution.base import Answer
from pellucid.nn.attribution.gradients import one_pass

Combine = Callable[[Tensor, Tensor], Tensor]
"""A layer's activations (rows, channels, height, width) and gradients (targets, rows, …) to maps."""


def grid_of(tokens: int, picture: tuple[int, int]) -> tuple[int, int, int]:
    """Infer the grid of patches: leading tokens that are no patch, rows and columns.

    The grid has the picture's proportions; class, distillation and register tokens stand before it.

    Raises
    ------
    UnsupportedRequestError
        When no grid fits.
    """
    height, width = picture
    for extra in (0, 1, 2, 5, 4, 8, 9):
        patches = tokens - extra
        rows = round((patches * height / width) ** 0.5) if patches > 1 else 0
        if rows and patches % rows == 0 and (patches // rows) * height == rows * width:
            return extra, rows, patches // rows
    raise UnsupportedRequestError(
        f"the layer has {tokens} tokens, which are no grid of the proportions of a {height} × {width} picture; choose "
        "another layer."
    )


def as_maps(tensor: Tensor, picture: tuple[int, int]) -> Tensor:
    """Bring a layer's output of rank 4 or 3 to (rows, channels, height, width); channels may come last.

    Raises
    ------
    UnsupportedRequestError
        When tokens are no grid.
    """
    if tensor.ndim == 4:
        _, a, b, c = tensor.shape
        last = a * picture[1] == b * picture[0] and b * picture[1] != c * picture[0]
        return tensor.movedim(-1, 1) if last else tensor
    extra, rows, columns = grid_of(tensor.shape[1], picture)
    return tensor[:, extra:].movedim(-1, 1).reshape(len(tensor), tensor.shape[2], rows, columns)


def _explain_maps(question: Question, combine: Combine) -> Answer:
    picture = _picture(question)
    asked = question if question.layers is not None else replace(question, layers=_last_maps(question, picture))

    def map_of(value: Tensor, gradient: Tensor) -> Tensor:
        if value.ndim not in (3, 4):
            raise InputError(
                "a class activation map needs layers with maps (rank 4) or tokens (rank 3); one gives shape "
                f"{tuple(value.shape)}."
            )
        return combine(as_maps(value, picture), torch.stack([as_maps(g, picture) for g in gradient]))

    found = one_pass(asked, map_of)
    question.model_rows, question.gradients = asked.model_rows, asked.gradients
    question.targets, question.outputs_named = asked.targets, asked.outputs_named
    return found


def _picture(question: Question) -> tuple[int, int]:
    part = question.parts[0]
    if part.ndim != 4:
        raise UnsupportedRequestError(
            f"class activation maps explain pictures of shape (rows, channels, height, width); got {tuple(part.shape)}."
        )
    return int(part.shape[-2]), int(part.shape[-1])


def _last_maps(question: Question, picture: tuple[int, int]) -> Layers:
    """Find the last layer with a map of more than one place."""
    layers = every_layer(question.model)
    with torch.no_grad(), layers.recorded() as kept:
        question.given.call(question.model, [p[:1].clone() for p in question.parts], question.every_row()[:1], {})
    for site, tensor in reversed(kept.items()):
        if tensor.ndim in (3, 4):
            try:
                shape = as_maps(tensor, picture).shape
            except UnsupportedRequestError:
                continue
            if shape[-1] * shape[-2] > 1:
                return Layers(question.model, (site,))
    raise UnsupportedRequestError("no layer of the network has a map over the picture; name one with layers=.")


def _grad_cam(value: Tensor, gradient: Tensor) -> Tensor:
    return (gradient.mean((-2, -1), keepdim=True) * value).sum(2).clamp(min=0)


def _grad_cam_plus_plus(value: Tensor, gradient: Tensor) -> Tensor:
    square, cube = gradient.square(), gradient**3
    below = 2 * square + cube * value.sum((-2, -1), keepdim=True)
    alpha = square / torch.where(below != 0, below, torch.ones_like(below))
    weight = (alpha * gradient.clamp(min=0)).sum((-2, -1), keepdim=True)
    return (weight * value).sum(2).clamp(min=0)


def _layer_cam(value: Tensor, gradient: Tensor) -> Tensor:
    return (gradient.clamp(min=0) * value).sum(2).clamp(min=0)


@dataclass(frozen=True)
class GradCAM:
    """Maps of a layer, weighted by their mean gradients (Selvaraju et al., 2017, equations 1 and 2)."""

    name: ClassVar[str] = "gradcam"
    summary: ClassVar[str] = "a layer's maps weighted by their mean gradients"
    combine: ClassVar[Mapping[str, Combine]] = {"maps": _grad_cam}

    def answer(self, question: Question) -> Answer:
        """Make the maps of all layers in one forward and one backward pass."""
        return _explain_maps(question, self.combine["maps"])


@dataclass(frozen=True)
class GradCAMPlusPlus(GradCAM):
    """Grad-CAM++ (Chattopadhay et al., 2018, equations 5 and 19, for the exponential of the output)."""

    name: ClassVar[str] = "gradcam_plus_plus"
    summary: ClassVar[str] = "a layer's maps weighted by their positive gradients, place by place"
    combine: ClassVar[Mapping[str, Combine]] = {"maps": _grad_cam_plus_plus}


@dataclass(frozen=True)
class LayerCAM(GradCAM):
    """LayerCAM (Jiang et al., 2021, equations 5 to 7): sharp for early layers too."""

    name: ClassVar[str] = "layercam"
    summary: ClassVar[str] = "a layer's maps weighted by positive gradients element by element"
    combine: ClassVar[Mapping[str, Combine]] = {"maps": _layer_cam}
