"""Attention, ablation and relevance of Hugging Face models with random weights, as their users load them."""

import numpy as np
import pytest
import torch

from pellucid.nn import ablate_heads, attention, attention_map, deconstruct, logit_lens, record

pytestmark = pytest.mark.heavy
SMALL = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32}
HEADS = {"bos_token_id": None, "eos_token_id": None}


def configured(name, style):
    import transformers as hf

    torch.manual_seed(0)
    config, kind = {
        "bert": lambda: (hf.BertConfig(**SMALL, num_labels=3), hf.BertForSequenceClassification),
        "gpt2": lambda: (hf.GPT2Config(vocab_size=50, n_embd=16, n_layer=2, n_head=4, **HEADS), hf.GPT2LMHeadModel),
        "llama": lambda: (hf.LlamaConfig(**SMALL, num_key_value_heads=2, **HEADS), hf.LlamaForCausalLM),
        "vit": lambda: (
            hf.ViTConfig(
                **{k: v for k, v in SMALL.items() if k != "vocab_size"}, image_size=16, patch_size=4, num_labels=3
            ),
            hf.ViTForImageClassification,
        ),
    }[name]()
    return kind._from_config(config, attn_implementation=style).eval()


def inputs_of(name, rows=3):
    if name == "vit":
        return {"pixel_values": torch.randn(rows, 3, 16, 16)}
    mask = torch.ones(rows, 7, dtype=torch.long)
    if name == "bert":
        mask[1, 5:] = 0
    return {"input_ids": torch.randint(1, 50, (rows, 7)), "attention_mask": mask}


@pytest.mark.parametrize("style", ["sdpa", "eager"])
@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "vit"])
def test_weights_are_those_of_the_eager_model(name, style):
    model, inputs = configured(name, style), inputs_of(name)
    eager = configured(name, "eager")
    eager.load_state_dict(model.state_dict())
    with torch.no_grad():
        wanted = eager(**inputs, output_attentions=True).attentions
    found = attention(model, inputs)
    assert len(found.weights) == 2
    for own, theirs in zip(found.weights, wanted, strict=True):
        np.testing.assert_allclose(own, theirs, atol=1e-5)
    assert model.config._attn_implementation == style


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "vit"])
def test_heads_and_maps(name):
    model, inputs = configured(name, "sdpa"), inputs_of(name)
    eager = configured(name, "eager")
    eager.load_state_dict(model.state_dict())
    found = ablate_heads(model, inputs)
    np.testing.assert_allclose(found.effect, ablate_heads(eager, inputs).effect, atol=1e-5)
    shown = attention_map(model, inputs)
    np.testing.assert_allclose(shown.values, attention_map(eager, inputs).values, atol=1e-5)
    assert shown.grid == ((1, 4, 4) if name == "vit" else None)
    if name != "vit":
        assert attention_map(model, inputs, kind="attnlrp").values.shape == shown.values.shape


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_the_last_layer_of_a_lens_is_the_model(name):
    model, inputs = configured(name, "sdpa"), inputs_of(name)
    blocks = "transformer.h.?" if name == "gpt2" else "model.layers.?"
    found = logit_lens(model, inputs, layers=blocks)
    assert found.norm == ("transformer.ln_f" if name == "gpt2" else "model.norm")
    np.testing.assert_allclose(found.divergence[-1], 0, atol=1e-6)


def test_deconstruct_and_record_take_them_too():
    model, inputs = configured("bert", "sdpa"), inputs_of("bert", rows=12)
    found = deconstruct(model, inputs, n_units=4, labels=[0, 1] * 6)
    assert set(found.to_frame()["kind"]) == {"unit", "head"}
    assert record(model, inputs, layers="bert.encoder.layer.?").shapes["bert.encoder.layer.0"] == (12, 7, 16)
