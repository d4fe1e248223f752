"""Pictures of what networks hold: small, without scripts, right in what they show, and readable by everyone."""

import html
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pellucid import InputError
from pellucid.nn import attention, attention_map, attribution_patch, channel_grid, patch, record, summarize
from pellucid.nn.activations import ChannelGrid
from pellucid.nn.attending import Attention
from pellucid.nn.views import draw_attention, draw_attention_map, draw_channels, draw_patching
from pellucid.testing.networks import InductionModel, completions, repeated_sequences, shapes_on_textures

HOSTILE = "</figcaption><script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def sequences() -> Any:
    return (InductionModel(), *repeated_sequences(12))


def seen(sequences: Any) -> tuple[Attention, list[str]]:
    model, clean, _ = sequences
    return attention(model, clean), [HOSTILE, *(f"t{i}" for i in range(clean.shape[1] - 1))]


def test_every_head_is_drawn_with_and_without_special_tokens(sequences: Any) -> None:
    found, tokens = seen(sequences)
    picture = draw_attention(found, row=2, tokens=tokens, special=[0])
    heads = sum(weights.shape[1] for weights in found.weights)
    assert picture.count("<img") == 2 * heads
    assert "without special tokens" in picture
    assert "<script" not in picture
    most = found.weights[1][2, 1].mean(axis=0)
    assert f"head 1: {html.escape(tokens[int(most.argmax())][:14])} " in picture


def test_long_texts_and_many_heads_stay_below_a_megabyte() -> None:
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(600), (1, 12, 600)).astype(np.float32)
    found = Attention(layers=tuple(f"layer {i}" for i in range(12)), weights=(weights,) * 12, tokens=None)
    assert len(draw_attention(found, special=[0, 599]).encode()) < 1_000_000


def test_the_map_has_its_check_beside_it(sequences: Any) -> None:
    model, clean, _ = sequences
    shown = attention_map(model, clean, kind="gradient", target=completions(clean))
    picture = draw_attention_map(shown, tokens=[HOSTILE] * clean.shape[1])
    assert "without attention to them the score falls by" in picture
    assert "<script" not in picture


def test_a_map_of_patches_lies_on_its_picture() -> None:
    class Vision(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Conv2d(3, 8, 8, 8)
            self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.head = nn.Linear(8, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.block(self.embed(x).flatten(2).transpose(1, 2)).mean(1))

    x = torch.rand(2, 3, 16, 24)
    shown = attention_map(Vision(), x, kind="rollout", target=0)
    picture = draw_attention_map(shown, row=1, picture=x[1].permute(1, 2, 0).numpy())
    assert picture.count("plv-photo") >= 1
    with pytest.raises(InputError, match="give tokens= for a map of a text, or picture="):
        draw_attention_map(shown)


def test_a_gradient_map_says_nothing_of_tokens_nobody_looks_at(sequences: Any) -> None:
    model, clean, _ = sequences
    last = clean.shape[1] - 1
    shown = attention_map(model, clean, kind="gradient", target=completions(clean), query=0)
    assert (shown.values[:, 1:] == 0).all()
    assert last > 1


def test_channels_have_their_top_examples() -> None:
    shapes = shapes_on_textures()
    images = shapes.images[:30]
    kept = record(shapes.model, images, layers="units")["units"]
    summary = summarize(shapes.model, images, layers="units")["units"]
    seen_by_people = np.zeros((30, 32, 32, 3), dtype=np.uint8)
    grid = channel_grid(kept, row=3, most=5)
    picture = draw_channels(grid, layer="units", summary=summary, pictures=seen_by_people)
    assert picture.count("<img") == 5 * 4
    for channel in grid.channels:
        assert f"channel {channel}" in picture
        assert all(f'alt="row {row}"' in picture for row in summary.top_rows[channel, :3])
    assert f"5 of {grid.total} channels" in picture


def test_many_large_channels_stay_below_a_megabyte() -> None:
    maps = np.random.default_rng(0).normal(size=(64, 112, 112))
    grid = ChannelGrid(channels=np.arange(64), maps=maps, limit=float(np.abs(maps).max()), total=64)
    assert len(draw_channels(grid).encode()) < 1_000_000


def test_patching_is_a_table_of_shares(sequences: Any) -> None:
    model, clean, corrupt = sequences
    found = patch(model, clean, corrupt, target=completions(clean))
    picture = draw_patching(found)
    assert picture.count("<td>") == found.recovered.size
    site, head, share = found.largest(1)[0]
    line = picture[picture.index(f"<bdi>{site}</bdi>") :].split("<td>")[1 + head]
    assert f">{100 * share:+.0f} %<" in line
    assert "check the largest with patch" not in picture
    guessed = attribution_patch(model, clean, corrupt, target=completions(clean))
    assert "check the largest with patch" in draw_patching(guessed)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"row": 99}, "row must lie between 0 and 11"),
        ({"tokens": ["a"]}, "must name the"),
        ({"special": [-1]}, "positions between 0 and"),
    ],
)
def test_what_does_not_fit_is_said(sequences: Any, options: dict[str, Any], said: str) -> None:
    found, _ = seen(sequences)
    with pytest.raises(InputError, match=said):
        draw_attention(found, **options)


def test_layers_over_different_positions_have_no_special_ones() -> None:
    weights = tuple(np.full((2, 1, n, n), 1 / n) for n in (4, 3))
    found = Attention(layers=("a", "b"), weights=weights, tokens=None)
    assert draw_attention(found).count("<img") == 2
    with pytest.raises(InputError, match="the same positions in every layer"):
        draw_attention(found, special=[0])


def test_examples_need_pictures() -> None:
    grid = ChannelGrid(channels=np.arange(1), maps=np.ones((1, 2, 2)), limit=1.0, total=1)
    with pytest.raises(InputError, match="both summary= and pictures="):
        draw_channels(grid, pictures=np.zeros((3, 2, 2, 3), dtype=np.uint8))


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_they_work_offline_in_a_browser_and_axe_finds_nothing(
    visit: Any, sequences: Any, tmp_path: Any, scheme: str
) -> None:
    model, clean, corrupt = sequences
    found, tokens = seen(sequences)
    shown = attention_map(model, clean, kind="gradient", target=completions(clean))
    maps = np.random.default_rng(0).normal(size=(4, 6, 6))
    grid = ChannelGrid(channels=np.arange(4), maps=maps, limit=3.0, total=4)
    pictures = {
        "attention": draw_attention(found, tokens=tokens, special=[0]),
        "map": draw_attention_map(shown, tokens=tokens),
        "channels": draw_channels(grid, layer="c"),
        "patching": draw_patching(patch(model, clean, corrupt, target=completions(clean))),
    }
    for name, picture in pictures.items():
        path = picture.save(tmp_path / f"{name}.html")
        visited = visit(path.as_uri(), color_scheme=scheme, bypass_csp=True)
        assert [url for url in visited.requests if not url.startswith("data:")] == [path.as_uri()]
        assert visited.complaints == []
        assert visited.page.title() == "pellucid"
        whole_page = ("landmark-one-main", "page-has-heading-one", "region")
        faults = [
            (fault["id"], fault["nodes"][0]["html"])
            for fault in visited.axe()["violations"]
            if fault["id"] not in whole_page
        ]
        assert faults == [], name
