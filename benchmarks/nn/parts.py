"""Targets 5, 7 and 8: attention, known parts found again, and the size of what is shown."""

import numpy as np
import torch
from transformers import AutoModel

from benchmarks.nn.measuring import Row, cpu_seconds, interleaved
from benchmarks.nn.subjects import blocks, cat, classifier, documents, lite0, pictures
from pellucid.nn import (
    attention,
    attribute,
    channel_grid,
    dissect,
    draw_attention,
    draw_channels,
    draw_patching,
    patch,
    probe,
    record,
    sparse_autoencoder,
    summarize,
)
from pellucid.nn.demos.photographs import SHOWN, photographs
from pellucid.plot import image, text
from pellucid.testing.networks import InductionModel, completions, repeated_sequences, shapes_on_textures

MINUTES = 120.0
"""Seconds that a question about parts may take."""


def reading_attention() -> list[Row]:
    inputs = documents(8)
    fused = classifier().network.encoder
    eager = AutoModel.from_pretrained(fused.config.name_or_path, attn_implementation="eager").eval()

    def plain():
        with torch.no_grad():
            return fused(**inputs)

    timed = interleaved(plain, lambda: attention(fused, inputs), 9)
    with torch.no_grad():
        wanted = eager(**inputs, output_attentions=True).attentions
    found = attention(fused, inputs)
    there = inputs["attention_mask"][:, None, :, None].numpy()
    apart = max(
        float(np.abs((weights - one.numpy()) * there).max()) for weights, one in zip(found.weights, wanted, strict=True)
    )
    return [
        Row(5, "attention of a model that runs SDPA (MiniLM, 8 x 64 tokens): time / a plain forward pass",
            f"{timed.ratio:.2f}x", "≤ 1.5x", timed.ratio <= 1.5),
        Row(5, "the same against eager attention, largest difference", f"{apart:.0e}", "≤ 1e-5", apart <= 1e-5),
    ]  # fmt: skip


def patching() -> list[Row]:
    model = InductionModel()
    clean, corrupt = repeated_sequences(40)
    found = patch(model, clean, corrupt, target=completions(clean)).largest(len(model.heads))
    recall = len({(site.partition("#")[0], head) for site, head, _ in found} & set(model.heads)) / len(model.heads)
    return [Row(7, "patching: recall of the known induction heads", f"{recall:.1f}", "1.0", recall == 1.0)]


def probing() -> list[Row]:
    """Linear probes of every block or layer, recording included."""
    views = 12
    labels = np.repeat(np.arange(len(SHOWN)), views)
    shown, given = pictures(views), classifier()
    texts = documents(len(given.texts))

    def of_pictures():
        found = record(lite0(), shown, layers=blocks(), batch_size=24)
        return probe({name: value.mean((2, 3)) for name, value in found.items()}, labels)

    def of_texts():
        layers = [f"encoder.encoder.layer.{i}" for i in range(6)]
        found = record(given.network, texts, layers=layers, batch_size=32)
        return probe({name: value.mean(1) for name, value in found.items()}, given.topics.numpy())

    rows = []
    for work, run in (("Lite0, 16 blocks, 120 views", of_pictures), ("MiniLM, 6 layers, 120 documents", of_texts)):
        kept = []
        taken = cpu_seconds(lambda run=run, kept=kept: kept.append(run()))
        best = max(kept[0].probes, key=lambda one: one.accuracy.value)
        said = f"{taken:.1f} s; best accuracy {best.accuracy.value:.2f}, selectivity from {best.selectivity.low:.2f}"
        rows.append(Row(7, f"probe sweep, {work}", said, "< 2 min", taken < MINUTES))
    return rows


def dissecting() -> list[Row]:
    shapes = shapes_on_textures()
    kept = []
    maps = record(shapes.model, shapes.images, layers="units")["units"]
    taken = cpu_seconds(lambda: kept.append(dissect(maps, shapes.masks)))
    planted = sum(kept[0].detectors.get(unit) == name for unit, name in shapes.planted.items())
    wrong = len(set(kept[0].detectors) - set(shapes.planted))
    said = f"{taken:.1f} s; {planted} of {len(shapes.planted)} planted found, {wrong} of 8 random ones named"
    met = taken < MINUTES and planted == len(shapes.planted) and not wrong
    return [Row(7, "dissection, 11 units, 120 pictures", said, "< 2 min, all, none", met)]


def dictionary() -> list[Row]:
    inputs, layer = documents(120), "encoder.encoder.layer.3"
    states = record(classifier().network, inputs, layers=layer, batch_size=32)[layer]
    rows = states[inputs["attention_mask"].bool()]
    kept = []
    taken = cpu_seconds(lambda: kept.append(sparse_autoencoder(rows, n_latents=1024, k=16, n_steps=1000)))
    trained, chance = kept[0].explained, kept[0].explained_random
    said = f"{taken:.0f} s; rebuilds {trained:.2f} of the variance, random directions {chance:.2f}"
    work = f"sparse autoencoder, 1,024 latents, {len(rows):,} tokens of 384 numbers"
    return [Row(7, work, said, "< 2 min", taken < MINUTES)]


def viewers() -> list[Row]:
    """Sizes of what a notebook shows."""
    pixels = np.rint((cat()[0].permute(1, 2, 0).numpy() * 0.502 + 0.498) * 255).clip(0, 255).astype(np.uint8)
    heat = attribute(lite0(), cat(), target=285, method="lrp").shaped[0, ..., 0].sum(0)
    inputs = documents(1)
    ids = inputs["input_ids"][0]
    relevance = attribute(classifier().network, inputs, target=0, method="attnlrp").shaped[0, ..., 0].sum(1)
    token_table = {"token": classifier().tokenizer.convert_ids_to_tokens(ids), "value": relevance.tolist()}
    special = [i for i, token in enumerate(token_table["token"]) if token in ("[CLS]", "[SEP]")]
    seen = attention(classifier().network, inputs)
    states, shown = (run(lite0(), pictures(), layers="_blocks.4")["_blocks.4"] for run in (record, summarize))
    as_seen = photographs(views=1).pictures
    clean, corrupt = repeated_sequences(40)
    patched = patch(InductionModel(), clean, corrupt, target=completions(clean))
    drawn = {
        "attention of 72 heads over 64 tokens, with a filter of special tokens": draw_attention(seen, special=special),
        "channels with their top examples": draw_channels(channel_grid(states), summary=shown, pictures=as_seen),
        "patching": draw_patching(patched),
    }
    sizes = {
        "image under its values": len(image({"image": [pixels], "heat": [heat], "total": [heat.sum()]}).encode()),
        "text under its values": len(text(token_table).encode()),
        **{name: len(picture.encode()) for name, picture in drawn.items()},
    }
    return [
        Row(8, f"viewer: {name}", f"{size / 1000:,.0f} kB", "< 1 MB", size < 1_000_000) for name, size in sizes.items()
    ]
