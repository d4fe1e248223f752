"""Networks and inputs that are measured: real weights where shape matters, random ones where it does not."""

import contextlib
import io
from functools import cache
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from pellucid.nn.demos.lite0 import EfficientNetLite0, efficientnet_lite0, prepared
from pellucid.nn.demos.news import News, news, tokenized
from pellucid.nn.demos.photographs import photographs

CAT = 285
SIZES = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024}


@cache
def lite0() -> EfficientNetLite0:
    return efficientnet_lite0()


@cache
def pictures(views: int = 1) -> Tensor:
    """Views of ten photographs, as EfficientNet-Lite0 takes them."""
    return prepared(photographs(views=views).pictures)


def cat() -> Tensor:
    return pictures()[2:3]


def blocks() -> list[str]:
    return [f"_blocks.{i}" for i in range(16)]


@cache
def classifier() -> News:
    """MiniLM with a linear head, and news it has not seen."""
    with contextlib.redirect_stdout(io.StringIO()):  # the corpus prints where it lies
        return news()


def documents(count: int) -> dict[str, Tensor]:
    given = classifier()
    return tokenized(given.tokenizer, list(given.texts[:count]))


def masked(inputs: dict[str, Tensor]) -> Tensor:
    """The same rows with every word replaced by the mask token; special tokens stay."""
    return torch.where(words(inputs), classifier().tokenizer.mask_token_id, inputs["input_ids"])


def words(inputs: dict[str, Tensor]) -> Tensor:
    special = torch.tensor(classifier().tokenizer.all_special_ids)
    return ~torch.isin(inputs["input_ids"], special)


def transformers_as_they_come() -> dict[str, tuple[nn.Module, dict[str, Tensor], Any]]:
    """Random weights: name to network, inputs of 4 rows, target."""
    torch.manual_seed(0)
    ids = torch.randint(0, 500, (4, 64))
    bert = transformers.BertConfig(vocab_size=500, num_labels=3, **SIZES)
    gpt2 = transformers.GPT2Config(vocab_size=500, n_embd=256, n_layer=4, n_head=4, bos_token_id=0, eos_token_id=0)
    llama = transformers.LlamaConfig(vocab_size=500, num_key_value_heads=2, **SIZES)
    vit = transformers.ViTConfig(image_size=64, patch_size=8, num_labels=3, **SIZES)
    found = {
        "BERT": (transformers.BertForSequenceClassification(bert), {"input_ids": ids}, 1),
        "GPT-2": (transformers.GPT2LMHeadModel(gpt2), {"input_ids": ids}, (63, 7)),
        "LLaMA": (transformers.LlamaForCausalLM(llama), {"input_ids": ids}, (63, 7)),
        "ViT": (transformers.ViTForImageClassification(vit), {"pixel_values": torch.randn(4, 3, 64, 64)}, 1),
    }
    return {name: (model.eval(), inputs, target) for name, (model, inputs, target) in found.items()}
