"""Hugging Face models as they come, with random weights: what is conserved, what is exact, in how many passes."""

import numpy as np
import pytest
import torch
import transformers

from pellucid.nn import attribute

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 24}
ROUNDING = 1e-5
"""Some norms are computed in single precision, whatever the model's own."""


def bert():
    config = transformers.BertConfig(vocab_size=30, num_labels=3, **SIZES)
    inputs = {"input_ids": torch.randint(0, 30, (2, 7)), "attention_mask": torch.tensor([[1] * 7, [1] * 5 + [0] * 2])}
    return transformers.BertForSequenceClassification(config), inputs, [0, 2]


def gpt2():
    config = transformers.GPT2Config(vocab_size=30, n_embd=16, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0)
    return transformers.GPT2LMHeadModel(config), {"input_ids": torch.randint(0, 30, (2, 6))}, [(5, 3), (2, 1)]


def llama():
    config = transformers.LlamaConfig(vocab_size=30, num_key_value_heads=2, **SIZES)
    return transformers.LlamaForCausalLM(config), {"input_ids": torch.randint(0, 30, (2, 6))}, [(5, 3), (2, 1)]


def vit():
    config = transformers.ViTConfig(image_size=16, patch_size=4, num_labels=3, **SIZES)
    return transformers.ViTForImageClassification(config), {"pixel_values": torch.randn(2, 3, 16, 16)}, [0, 2]


@pytest.fixture(scope="module", params=[bert, gpt2, llama, vit], ids=lambda make: make.__name__)
def subject(request):
    torch.manual_seed(0)
    model, inputs, target = request.param()
    return request.param.__name__, model.double().eval(), in_double(inputs), target


def in_double(inputs):
    return {name: x.double() if x.is_floating_point() else x for name, x in inputs.items()}


def test_deeplift_adds_up(subject):
    _, model, inputs, target = subject
    found = attribute(model, inputs, target=target, method="deeplift")
    assert found.quality.residual < ROUNDING
    assert np.abs(found.values).max() > 1e-4


@pytest.mark.parametrize("method", ["attnlrp", "libragrad", "cp_lrp", "lrp"])
def test_relevance_needs_one_backward_pass_and_reports_what_it_keeps(subject, method):
    name, model, inputs, target = subject
    calls = []
    handle = model.register_forward_hook(lambda *a: calls.append(1))
    found = attribute(model, inputs, target=target, method=method)
    handle.remove()
    assert len(calls) == 1
    assert found.quality.evaluations.gradients == 2 * len(target)
    with torch.no_grad():
        out = model(**inputs).logits
    true = np.stack([out[(slice(None), *(t if isinstance(t, tuple) else (t,)))].numpy() for t in target], 1)
    np.testing.assert_allclose(found.quality.gap, found.values.sum(1) - true, atol=1e-9)
    if name == "llama" and method == "libragrad":  # no biases: nothing is kept on the way
        assert found.quality.residual < ROUNDING


def test_integrated_gradients_reach_their_tolerance(subject):
    _, model, inputs, target = subject
    found = attribute(model, inputs, target=target[0], budget=400)
    moved = np.abs(found.prediction - found.quality.gap - found.base_values)
    assert (np.abs(found.quality.gap) <= 0.01 * moved).all()


def test_attention_written_out_or_fused_gives_the_same_relevance(subject):
    _, model, inputs, target = subject
    fused = attribute(model, inputs, target=target, method="attnlrp").values
    model.set_attn_implementation("eager")
    try:
        eager = attribute(model, inputs, target=target, method="attnlrp").values
        exact = attribute(model, inputs, target=target, method="deeplift").quality.residual
    finally:
        model.set_attn_implementation("sdpa")
    np.testing.assert_allclose(eager, fused, rtol=1e-6, atol=1e-10)
    assert exact < ROUNDING


def test_the_grid_of_patches_is_inferred():
    model, inputs, _ = vit()
    found = attribute(model, inputs, target=1, method="gradcam", layers=["vit.layers.0", "vit.layernorm"])
    assert {name: map_.shaped.shape for name, map_ in found.items()} == {
        "vit.layers.0": (2, 4, 4, 1),
        "vit.layernorm": (2, 4, 4, 1),
    }
