import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid.nn._attention_calls import attention_calls
from pellucid.nn._session import session
from pellucid.nn.ablation import ablate_heads
from pellucid.nn.attending import Attention, attention
from pellucid.nn.attribution import attribute
from pellucid.nn.maps import attention_map, token_grid
from pellucid.testing.networks import InductionModel, repeated_sequences

STYLES = (
    "fused",
    "causal",
    "boolean mask",
    "float mask",
    "grouped",
    "eager",
    "three axes",
    "einsum",
    "half",
    "MHA",
    "MHA weights",
)


class Attend(nn.Module):
    """One block of two heads over 4-wide tokens, written in one of many ways; returns (rows, 3)."""

    def __init__(self, style, heads=2):
        super().__init__()
        torch.manual_seed(0)
        self.style, self.heads = style, heads
        self.q, self.k, self.v, self.out = (nn.Linear(4, 4) for _ in range(4))
        self.mha = nn.MultiheadAttention(4, heads, batch_first=True)
        self.head = nn.Linear(4, 3)

    def mask(self, n):
        if self.style == "causal":
            return torch.ones(n, n, dtype=torch.bool).tril()
        if self.style in ("boolean mask", "float mask"):
            keep = torch.ones(n, n, dtype=torch.bool)
            keep[:, -1] = False
            return keep
        return torch.ones(n, n, dtype=torch.bool)

    def operands(self, x):
        if self.style.startswith("MHA"):
            w, b = self.mha.in_proj_weight, self.mha.in_proj_bias
            parts = functional.linear(x, w, b).chunk(3, dim=-1)
        else:
            parts = self.q(x), self.k(x), self.v(x)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        if self.style == "grouped":
            k, v = k[:, :1], v[:, :1]
        return q, k, v

    def weights(self, x):
        """What it is, plainly."""
        q, k, _ = self.operands(x)
        logits = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        return logits.masked_fill(~self.mask(x.shape[1]), -torch.inf).softmax(-1)

    def mixed(self, x):
        q, k, v = self.operands(x)
        mask = self.mask(x.shape[1])
        if self.style == "causal":
            return functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        if self.style == "float mask":
            mask = torch.zeros(mask.shape).masked_fill(~mask, -torch.inf)
        if self.style in ("fused", "boolean mask", "float mask"):
            return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        if self.style == "grouped":
            return functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
        if self.style == "three axes":
            return torch.bmm(functional.dropout(weights.flatten(0, 1), 0.5, self.training), v.flatten(0, 1)).view(
                v.shape
            )
        if self.style == "einsum":
            return torch.einsum("bhqk,bkhd->bqhd", weights, v.transpose(1, 2)).transpose(1, 2)
        if self.style == "half":
            return (weights.bfloat16() @ v.bfloat16()).float()
        return weights @ v

    def forward(self, x):
        if self.style.startswith("MHA"):
            return self.head(self.mha(x, x, x, need_weights=self.style == "MHA weights")[0].mean(1))
        return self.head(self.out(self.mixed(x).transpose(1, 2).flatten(2)).mean(1))


@pytest.mark.parametrize("style", STYLES)
def test_weights_are_read_whichever_way_they_are_computed(style):
    model, x = Attend(style), torch.randn(3, 5, 4)
    plain = model.eval()(x)
    found = attention(model.train(), x)
    assert model.training
    assert len(found.weights) == 1
    tolerance = 0.01 if style == "half" else 1e-6
    np.testing.assert_allclose(found.weights[0], model.weights(x).detach().numpy(), atol=tolerance)
    with session(model), torch.no_grad(), attention_calls(model, 3, weights=lambda *_: None):
        torch.testing.assert_close(model(x), plain)


def test_the_fused_kernel_is_called_all_the_same():
    model, x = Attend("fused"), torch.randn(2, 5, 4)
    called = []
    real = functional.scaled_dot_product_attention
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(functional, "scaled_dot_product_attention", lambda *a, **k: called.append(1) or real(*a, **k))
        attention(model, x)
    assert called


@pytest.mark.parametrize("style", STYLES)
def test_taking_out_a_head_is_zeroing_what_it_writes(style):
    model, x = Attend(style).eval(), torch.randn(4, 5, 4)
    found = ablate_heads(model, x, target=1, batch_size=3)
    out = model.mha.out_proj if style.startswith("MHA") else model.out
    for head in range(2):
        kept = out.weight.detach().clone()
        out.weight.data[:, 2 * head : 2 * head + 2] = 0
        left = model(x)[:, 1]
        out.weight.data = kept
        wanted = (model(x)[:, 1] - left).detach().double().numpy()
        np.testing.assert_allclose(found.effect[head], wanted, atol=0.01 if style == "half" else 1e-6)


@pytest.mark.parametrize("style", [style for style in STYLES if style != "einsum"])
def test_a_head_at_its_mean_has_no_effect_if_it_always_gives_that(style):
    model, row = Attend(style).eval(), torch.randn(1, 1, 4)
    found = ablate_heads(model, row.expand(3, 5, 4).contiguous(), target=0, to="mean")
    np.testing.assert_allclose(found.effect, 0, atol=1e-6)


def test_heads_of_an_einsum_are_not_replaced():
    with pytest.raises(UnsupportedRequestError, match="einsum"):
        ablate_heads(Attend("einsum"), torch.randn(2, 5, 4), target=0, to="mean")


def test_a_router_s_softmax_is_no_attention():
    class Router(nn.Module):
        def forward(self, x):
            return (x.softmax(-1) * x).sum(-1)

    with pytest.raises(InputError, match="no attention"):
        attention(Router(), torch.randn(2, 3))


def test_rows_where_all_is_masked_have_no_weights():
    class Masked(nn.Module):
        def forward(self, x):
            mask = torch.ones(3, 3, dtype=torch.bool).tril(-1)
            return functional.scaled_dot_product_attention(x, x, x, attn_mask=mask)

    weights = attention(Masked(), torch.randn(1, 1, 3, 2)).weights[0]
    assert weights[0, 0, 0].tolist() == [0, 0, 0]
    np.testing.assert_allclose(weights[0, 0, 1:].sum(-1), 1, atol=1e-6)


@pytest.mark.parametrize("fused", [True, False])
def test_heads_of_the_induction_model_are_what_they_are(fused):
    model, (clean, _) = InductionModel(fused=fused), repeated_sequences(40)
    table = attention(model, clean).heads().set_index(["layer", "head"])
    assert table["induction"].idxmax() == ("layers.1", 1)
    assert table["previous"].idxmax() == ("layers.0", 0)
    assert table.loc[("layers.1", 1), "induction"] > 0.99
    assert table.loc[("layers.0", 0), "entropy"] < 0.01


def test_head_scores_are_those_of_counting():
    tokens = np.array([[3, 1, 3, 1, 2]])
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(5), size=(1, 1, 5))

    row = Attention(layers=("a",), weights=(weights,), tokens=tokens).heads().iloc[0]
    # The 3 at 2 comes after that at 0, which 1 follows; the 1 at 3 after that at 1, which the token at 2 follows.
    assert row["induction"] == pytest.approx((weights[0, 0, 2, 1] + weights[0, 0, 3, 2]) / 2)
    assert row["previous"] == pytest.approx(np.mean([weights[0, 0, i, i - 1] for i in range(1, 5)]))
    assert row["first"] == pytest.approx(weights[0, 0, 1:, 0].mean())
    assert row["entropy"] == pytest.approx(-(weights * np.log(weights)).sum(-1).mean())


def two_layers():
    torch.manual_seed(1)
    layers = [nn.TransformerEncoderLayer(8, 2, 16, batch_first=True) for _ in range(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(48, 3)).eval()


def test_rollout_is_the_product_of_halves():
    model, x = two_layers(), torch.randn(2, 6, 8)
    found = attention(model, x)
    half = [(w.mean(1) + np.eye(6)) / 2 for w in found.weights]
    np.testing.assert_allclose(found.rollout(), half[1] @ half[0], atol=1e-7)
    shown = attention_map(model, x, kind="rollout")
    np.testing.assert_allclose(shown.values, (half[1] @ half[0]).mean(1), atol=1e-6)


def smallest_cut(widths, query, key):
    """By trying every cut of a small network of pipes; it is the maximum flow (Ford and Fulkerson 1956)."""
    depth, n = len(widths), widths.shape[-1]
    smallest = np.inf
    for sides in itertools.product((False, True), repeat=(depth - 1) * n):
        source = np.zeros((depth + 1, n), dtype=bool)
        source[1:-1] = np.reshape(sides, (depth - 1, n))
        source[depth, query] = True
        source[0] = np.arange(n) != key  # nothing leaves the other inputs
        crossing = [(w * source[k + 1][:, None] * ~source[k][None]).sum() for k, w in enumerate(widths)]
        smallest = min(smallest, sum(crossing))
    return smallest


@pytest.mark.parametrize(("depth", "n"), [(1, 4), (2, 4), (3, 3)])
def test_flow_is_the_smallest_cut(depth, n):
    rng = np.random.default_rng(depth)
    weights = tuple(rng.dirichlet(np.full(n, 0.4), size=(2, 3, n)) for _ in range(depth))
    found = Attention(layers=("a",) * depth, weights=weights, tokens=None)
    widths = np.stack([(w.mean(1) + np.eye(n)) / 2 for w in weights], axis=1)
    wanted = [[[smallest_cut(row, q, k) for k in range(n)] for q in range(n)] for row in widths]
    np.testing.assert_allclose(found.flow(), wanted, atol=1e-7)
    assert (found.flow() > found.rollout() - 1e-7).all()  # rollout is one way to let it flow
    np.testing.assert_array_equal(found.flow([n - 1, 0]), found.flow()[:, [n - 1, 0]])
    with pytest.raises(InputError, match="queries must lie"):
        found.flow([n])


def test_a_map_by_flow_is_the_flow_of_its_query():
    model, x = two_layers(), torch.randn(2, 6, 8)
    shown = attention_map(model, x, kind="flow", query=2)
    np.testing.assert_allclose(shown.values, attention(model, x).flow([2])[:, 0], atol=1e-6)
    assert "by flow" in shown.sentence()
    np.testing.assert_allclose(
        attention_map(model, x, kind="flow").values, attention(model, x).flow().mean(1), atol=1e-6
    )


def test_gradient_map_is_chefer_s():
    """By finite differences of the weights: R ← R + mean over heads of (A ∘ ∂y/∂A)⁺ R."""
    model, x = two_layers().double(), torch.randn(1, 6, 8, dtype=torch.float64)
    target = int(model(x).argmax())
    weights = [w.astype(float) for w in attention(model, x).weights]
    wanted = np.eye(6)
    for number in range(2):
        slope = np.zeros((2, 6, 6))
        for cell in np.ndindex(2, 6, 6):
            scores = []
            for step in (1e-5, -1e-5):

                def nudge(site, w, cell=cell, step=step, number=number):
                    if site.number == number:
                        w = w.clone()
                        w[(0, *cell)] += step
                    return w

                with session(model), torch.no_grad(), attention_calls(model, 1, weights=nudge):
                    scores.append(float(model(x)[0, target]))
            slope[cell] = (scores[0] - scores[1]) / 2e-5
        wanted = wanted + (weights[number][0] * slope).clip(0).mean(0) @ wanted
    wanted = wanted - np.eye(6)  # what every token starts with
    np.testing.assert_allclose(attention_map(model, x, kind="gradient").values[0], wanted.mean(0), atol=1e-6)


def test_cutting_attention_is_masking_keys():
    """The check cuts the weights after the softmax; a mask before it must give the same."""
    model, x = Attend("fused").eval(), torch.randn(1, 5, 4)
    shown = attention_map(model, x, kind="last_layer", target=2)
    top = int(shown.values[0].argmax())
    mask = torch.ones(5, 5, dtype=torch.bool)
    mask[:, top] = False
    q, k, v = model.operands(x)
    cut = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    left = model.head(model.out(cut.transpose(1, 2).flatten(2)).mean(1))[0, 2]
    assert shown.check.top[0] == pytest.approx(float((model(x)[0, 2] - left).detach()), abs=1e-6)
    assert shown.check.heads.effect.shape == (2, 1)


def test_a_map_of_what_matters_beats_chance_and_a_random_one_does_not():
    """The induction model's answer hangs on few positions: a map's first must move the score more than others."""
    model, (clean, _) = InductionModel(), repeated_sequences(12)
    shown = attention_map(model, clean)
    assert shown.check.beats > 0.8  # now and then the random tokens are the right ones
    assert "matter more" in shown.sentence()
    assert shown.grid is None
    with pytest.raises(InputError, match="not of patches"):
        shown.patches()


class Patches(nn.Module):
    """A vision transformer of one layer with two special tokens."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.block = nn.Conv2d(3, 8, 4, 4), nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.special, self.head = nn.Parameter(torch.randn(1, 2, 8)), nn.Linear(8, 3)

    def forward(self, x):
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        return self.head(self.block(torch.cat([self.special.expand(len(x), 2, 8), tokens], 1))[:, 0])


def test_patches_are_laid_out_as_the_picture():
    model, x = Patches(), torch.zeros(2, 3, 12, 20)
    shown = attention_map(model, x, batch_size=8)
    assert shown.grid == (2, 3, 5)
    np.testing.assert_array_equal(shown.patches()[0, 1, 3], shown.values[0, 2 + 5 + 3])


@pytest.mark.parametrize(
    ("size", "tokens", "grid"),
    [
        ((224, 224), 197, (1, 14, 14)),
        ((224, 224), 196, (0, 14, 14)),
        ((224, 224), 201, (5, 14, 14)),
        ((32, 64), 11, None),
    ],
)
def test_token_grid(size, tokens, grid):
    found = token_grid(torch.zeros(1, 3, *size), tokens)
    assert found == (grid or found)
    if grid is None:
        assert found == (3, 2, 4)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"kind": "raw"}, "kind must be"), ({"query": 9}, "query must lie"), ({"target": 7}, "target must lie")],
)
def test_bad_input_is_named(options, said):
    with pytest.raises(InputError, match=said):
        attention_map(two_layers(), torch.randn(2, 6, 8), **options)


def test_attnlrp_map_is_the_sum_over_each_token_s_embedding():
    model, (clean, _) = InductionModel(), repeated_sequences(5)
    found = attention_map(model, clean, kind="attnlrp")
    target = model(clean)[:, -1].argmax(dim=1)
    for row in range(5):
        alone = attribute(model, clean[row : row + 1], target=(7, int(target[row])), method="attnlrp")
        np.testing.assert_allclose(found.values[row], alone.shaped[0, ..., 0].sum(axis=-1), atol=1e-5)
    with pytest.raises(InputError, match="no tokens"):
        attention_map(Patches(), torch.zeros(2, 3, 8, 8), kind="attnlrp")
