"""What must hold for any network: invariance, completeness, closed forms, slow twins."""

from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn
from torch.nn import functional

from pellucid.nn import LRP, METHODS, attribute
from pellucid.nn._intercept import Interceptor
from pellucid.nn._rules import References
from pellucid.nn.attribution.integrated import _Interval, _Path

from .networks import STYLES, Transformer, in_style, tabular

GRADIENTS = (
    *(
        "saliency",
        "gradient_x_input",
        "integrated_gradients",
        "expected_gradients",
        "smoothgrad",
        "deeplift",
        "deepshap",
    ),
    *("guided_backprop", "lrp", "attnlrp", "cp_lrp", "libragrad"),
)
ADDS_UP = ("integrated_gradients", "deeplift", "deepshap", "shapley")


def relative(found, wanted):
    return np.abs(found - wanted).max() / np.abs(wanted).max()


@pytest.mark.parametrize("method", [*GRADIENTS, LRP(rule="gamma"), LRP(rule="zplus"), LRP(rule="composite")], ids=str)
def test_one_function_in_six_styles_has_one_explanation(method):
    x, background = torch.randn(3, 2, 12, 12), torch.randn(2, 2, 12, 12)
    budget = 20 if method in ("expected_gradients", "smoothgrad") else None
    found = [
        attribute(in_style(style), x, target=[0, 2], method=method, background=background, budget=budget).values
        for style in STYLES
    ]
    for other in found[1:]:
        assert relative(other, found[0]) < 1e-5
    assert np.abs(found[0]).max() > 1e-4


@pytest.mark.parametrize("method", ADDS_UP)
@pytest.mark.parametrize("style", STYLES)
def test_values_add_up_whatever_the_style(method, style):
    net, x = in_style(style), torch.randn(2, 2, 12, 12)
    found = attribute(net, x, target=[0, 1], method=method, background=torch.randn(2, 2, 12, 12), budget=1000)
    with torch.no_grad():
        true = net(x)[:, :2].double().numpy()
    moved = np.abs(true - found.base_values)
    assert (
        np.abs(found.prediction - true) <= (0.01 if method == "integrated_gradients" else 1e-5) * moved + 1e-6
    ).all()
    np.testing.assert_allclose(found.quality.gap, found.prediction - true, atol=1e-6)


OPERATIONS = {
    "relu": torch.relu,
    "gelu": functional.gelu,
    "sigmoid": torch.sigmoid,
    "power": lambda x: x**3,
    "clamp": lambda x: x.clamp(-0.5, 0.7),
    "leaky": functional.leaky_relu,
    "prelu": lambda x: functional.prelu(x, torch.tensor([0.3]).to(x)),
    "product": lambda x: x * x.flip(-1),
    "quotient": lambda x: x / (1 + x.flip(-1) ** 2),
    "reflected": lambda x: 2 / (2 + torch.sigmoid(x)),
    "matmul": lambda x: x @ x.mT,
    "einsum": lambda x: torch.einsum("bij,bkj->bik", x, x),
    "softmax": lambda x: x.softmax(-1),
    "log_softmax": lambda x: functional.log_softmax(x, dim=1),
    "logsumexp": lambda x: torch.logsumexp(x, -1),
    "layer_norm": lambda x: functional.layer_norm(x, (4,), torch.full((4,), 2.0).to(x), torch.ones(4).to(x)),
    "rms_norm": lambda x: functional.rms_norm(x, (4,)),
    "group_norm": lambda x: functional.group_norm(x, 2),
    "instance_norm": functional.instance_norm,
    "written norm": lambda x: (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + 0.1).sqrt(),
    "std": lambda x: x.std(-1),
    "norm": lambda x: functional.normalize(x, dim=-1, eps=0.1),
    "max pool": lambda x: functional.max_pool1d(x, 2),
    "adaptive max pool": lambda x: functional.adaptive_max_pool1d(x, 3),
    "largest": lambda x: x.max(-1).values,
    "smallest": lambda x: x.amin((1, 2)),
    "maximum": lambda x: torch.maximum(x, x.flip(-1)),
    "minimum": lambda x: torch.minimum(x, x.flip(1) * 0.5),
    "glu": functional.glu,
    "attention": lambda x: functional.scaled_dot_product_attention(x, x * 0.5, x.flip(1)),
    "causal attention": lambda x: functional.scaled_dot_product_attention(x, x, x, is_causal=True),
    "masked attention": lambda x: functional.scaled_dot_product_attention(x, x, x, torch.eye(4, dtype=torch.bool)),
}


@pytest.mark.parametrize("name", OPERATIONS)
@settings(max_examples=15)
@given(seed=st.integers(0, 2**31), scale=st.sampled_from([0.1, 1.0, 8.0]), ties=st.booleans())
def test_every_operation_spreads_its_difference_exactly(name, seed, scale, ties):
    generator = torch.Generator().manual_seed(seed)
    x, x0 = (scale * torch.randn(3, 4, 4, dtype=torch.float64, generator=generator) for _ in "ab")
    if ties:  # equal elements, and elements that do not move
        x, x0 = x.round(), x0.round()
        x0[:, 0] = x[:, 0]
    references = References()
    with torch.no_grad(), Interceptor(references.noting()):
        before = OPERATIONS[name](x0.clone())
    leaf = x.clone().requires_grad_()
    with Interceptor(references.comparing()):
        after = OPERATIONS[name](leaf.clone())
    torch.testing.assert_close(after.detach(), OPERATIONS[name](x), rtol=1e-9, atol=1e-9)
    (gradient,) = torch.autograd.grad(after.sum(), leaf)
    assert bool(gradient.isfinite().all())
    moved = float((after - before).detach().sum())
    size = float(after.detach().abs().sum() + before.abs().sum())
    assert float((gradient * (x - x0)).sum()) == pytest.approx(moved, abs=1e-8 * (1 + size))


@pytest.mark.parametrize("method", [m for m in METHODS if "cam" not in m])
def test_linear_networks_have_their_closed_form(method):
    net = nn.Linear(4, 2).double()
    x, background = torch.randn(3, 4).double(), torch.randn(5, 4).double()
    baseline = torch.randn(4).double()
    weight = net.weight.detach().numpy().T[None]
    found = attribute(net, x, target=[0, 1], method=method, baseline=baseline, background=background)
    from_baseline = (x - baseline).numpy()[:, :, None] * weight
    wanted = {
        **dict.fromkeys(("saliency",), np.abs(weight) + 0 * from_baseline),
        **dict.fromkeys(("smoothgrad", "guided_backprop"), weight + 0 * from_baseline),
        **dict.fromkeys(("gradient_x_input", "lrp", "attnlrp", "cp_lrp", "libragrad"), x.numpy()[:, :, None] * weight),
        **dict.fromkeys(("integrated_gradients", "deeplift", "occlusion", "shapley"), from_baseline),
        **dict.fromkeys(("deepshap", "expected_gradients"), (x - background.mean(0)).numpy()[:, :, None] * weight),
        "rise": from_baseline,
    }[method]
    if found.std_error is not None and method in ("rise", "expected_gradients"):
        assert (np.abs(found.values - wanted) <= 4.5 * found.std_error + 1e-9).all()
    else:
        np.testing.assert_allclose(found.values, wanted, atol=1e-5)


def lrp_twin(weights, x, target, rule, *, epsilon=1e-9, gamma=0.25):
    """Relevance propagation of a dense ReLU network in loops (Montavon et al., 2019, section 10.2)."""
    activations = [x]
    for k, (w, b) in enumerate(weights):
        z = w @ activations[-1] + b
        activations.append(z if k + 1 == len(weights) else np.maximum(z, 0))
    relevance = np.zeros(len(z))
    relevance[target] = z[target]
    for (w, b), a in zip(weights[::-1], activations[-2::-1], strict=True):
        before = np.zeros(len(a))
        for k in range(len(b)):
            terms, bias = w[k] * a, b[k]
            if rule == "zplus":
                terms, bias = np.maximum(terms, 0), max(bias, 0)
            if rule == "gamma":
                total = (w[k] * a).sum() + b[k]
                sign = 1 if total > 0 else -1
                terms = terms + gamma * np.where(sign * terms > 0, terms, 0)
                bias = bias + gamma * (bias if sign * bias > 0 else 0)
            z = terms.sum() + bias
            before += terms / (z + (epsilon if z >= 0 else -epsilon)) * relevance[k]
        relevance = before
    return relevance


@pytest.mark.parametrize("rule", ["epsilon", "gamma", "zplus"])
def test_relevance_propagation_equals_its_slow_twin(rule):
    net = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 3)).double()
    x = torch.randn(4, 5).double()
    weights = [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in net[::2]]
    found = attribute(net, x, target=[0, 2], method=LRP(rule=rule)).values
    for i, row in enumerate(x.numpy()):
        for k, target in enumerate((0, 2)):
            np.testing.assert_allclose(found[i, :, k], lrp_twin(weights, row, target, rule), rtol=1e-6, atol=1e-9)


def test_a_composite_is_gamma_below_and_epsilon_above():
    net = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 2)).double()
    x = torch.randn(2, 5).double()
    composite = attribute(net, x, target=0, method=LRP(rule="composite"), layers=["1"])["1"]
    epsilon = attribute(net, x, target=0, method="lrp", layers=["1"])["1"]
    np.testing.assert_allclose(composite.values, epsilon.values)
    assert relative(attribute(net, x, target=0, method=LRP(rule="composite")).values,
                    attribute(net, x, target=0, method="lrp").values) > 1e-3  # fmt: skip


def attention_twin(x, wq, wk, wv, softmax_relevance):
    """AttnLRP of one head by its element-wise equations (Achtibat et al., 2024, 13 and 15), output all ones."""
    q, k, v = x @ wq, x @ wk, x @ wv
    scores = q @ k.T * q.shape[1] ** -0.5
    weights = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    n, d = q.shape
    r_v, r_a = np.zeros_like(v), np.zeros_like(weights)
    for i in range(n):
        for j in range(n):
            for c in range(d):  # relevance of an output element is its value
                share = weights[i, j] * v[j, c]
                r_v[j, c] += share / 2 if softmax_relevance else share
                r_a[i, j] += share / 2
    r_s = scores * (r_a - weights * r_a.sum(1, keepdims=True)) if softmax_relevance else np.zeros_like(scores)
    r_q, r_k = np.zeros_like(q), np.zeros_like(k)
    for i in range(n):
        for j in range(n):
            if scores[i, j]:
                terms = q[i] * k[j] * d**-0.5
                r_q[i] += terms / scores[i, j] * r_s[i, j] / 2
                r_k[j] += terms / scores[i, j] * r_s[i, j] / 2
    relevance = np.zeros_like(x)
    for projected, w, r in ((q, wq, r_q), (k, wk, r_k), (v, wv, r_v)):
        for i in range(n):
            for c in range(d):
                relevance[i] += x[i] * w[:, c] / projected[i, c] * r[i, c]
    return relevance


@pytest.mark.parametrize("method", ["attnlrp", "cp_lrp", "libragrad"])
@pytest.mark.parametrize("style", ["fused", "written"])
def test_attention_rules_equal_their_slow_twin(method, style):
    wq, wk, wv = (torch.randn(5, 3).double() for _ in "qkv")

    def fused(x):
        return functional.scaled_dot_product_attention(x @ wq, x @ wk, x @ wv).sum((1, 2))

    def written(x):
        return (((x @ wq) @ (x @ wk).mT * 3**-0.5).softmax(-1) @ (x @ wv)).sum((1, 2))

    x = torch.randn(2, 4, 5).double()
    found = attribute(fused if style == "fused" else written, x, method=method).shaped[..., 0]
    arrays = [w.numpy() for w in (wq, wk, wv)]
    wanted = np.stack([attention_twin(row, *arrays, method == "attnlrp") for row in x.numpy()])
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-10)


def test_a_bias_free_network_conserves_relevance():
    net = nn.Sequential(nn.Linear(4, 8, bias=False), nn.GELU(), nn.Linear(8, 2, bias=False)).double()
    for method in ("lrp", "attnlrp", "libragrad"):
        quality = attribute(net, torch.randn(3, 4).double(), target=[0, 1], method=method).quality
        assert quality.residual < 1e-5
    net[0].bias = nn.Parameter(torch.ones(8).double())
    x = torch.randn(3, 4).double()
    found = attribute(net, x, target=[0, 1], method="attnlrp")
    np.testing.assert_allclose(found.quality.gap, found.values.sum(1) - net(x).detach().numpy(), atol=1e-12)
    assert found.quality.residual > 1e-3


def test_deeplift_is_exact_through_torchs_own_transformer():
    net, ids = Transformer(), torch.randint(0, 11, (3, 5))
    found = attribute(net, ids, target=[0, 2], method="deeplift", baseline=0)
    assert found.shaped.shape == (3, 5, 8, 2)
    assert found.quality.residual < 1e-5
    np.testing.assert_allclose(found.base_values, net.eval()(torch.zeros_like(ids))[:, [0, 2]].detach(), atol=1e-6)


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), rows=st.integers(1, 4))
def test_a_row_alone_is_explained_as_in_a_batch(seed, rows):
    torch.manual_seed(seed)
    net, x, background = tabular(), torch.randn(rows, 4), torch.randn(3, 4)
    for method in METHODS:
        if "cam" in method:
            continue
        budget = 30 if method in ("rise", "smoothgrad", "expected_gradients") else None
        whole = attribute(net, x, target=1, method=method, background=background, budget=budget).values
        last = attribute(net, x[-1:], target=1, method=method, background=background, budget=budget).values
        if method in ("smoothgrad", "expected_gradients"):  # samples belong to the row's number
            last, whole = last[:0], whole[:0]
        np.testing.assert_allclose(last, whole[-1:] if len(last) else last, rtol=1e-4, atol=1e-5)


def test_two_nodes_are_exact_for_a_cubic_gradient():
    x = torch.randn(3, 4).double()
    found = attribute(lambda x: (x**4).sum(1), x, budget=4)
    assert found.quality.evaluations.gradients == 3 * 4
    np.testing.assert_allclose(found.values[..., 0], x**4, rtol=1e-10)


@pytest.mark.parametrize("count", [1, 2])
def test_an_interval_that_is_cut_keeps_its_nodes_in_the_middle(count):
    """Otherwise a gradient that is kept would stand for the wrong place."""
    low, high = 0.2, 0.8
    nodes = [0.5] if count == 1 else [0.5 - 0.3 / 3**0.5, 0.5 + 0.3 / 3**0.5]
    kept = [{"input": torch.tensor([node])} for node in nodes]
    thirds = _Interval(low, high, kept, torch.zeros(1)).thirds()
    assert [thirds[0][0], thirds[-1][1]] == [low, high]
    assert all(one[1] == two[0] for one, two in pairwise(thirds))
    found = [((start + end) / 2, float(known["input"])) for start, end, known in thirds if known is not None]
    np.testing.assert_allclose(*zip(*found, strict=True), atol=1e-7)
    assert [node for _, node in found] == pytest.approx(nodes)


@pytest.mark.parametrize(
    ("budget", "taken"),
    [(100, {1, 3}), (16, {0})],
    ids=["a sixth, the largest", "at the end one, the largest of the gap's own sign"],
)
def test_which_intervals_are_refined(budget, taken):
    errors = [0.3, -0.5, 0.2, -0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]  # 0.4 in all
    path = _Path(0, outputs={0.0: torch.zeros(1), 1.0: torch.ones(1)})
    edges = [k / len(errors) for k in range(len(errors) + 1)]
    path.intervals = [
        _Interval(low, high, [{"input": torch.zeros(1)}], torch.tensor([error]))
        for (low, high), error in zip(pairwise(edges), errors, strict=True)
    ]
    before = list(path.intervals)
    thirds = path.taken(budget)
    assert {i for i, interval in enumerate(before) if interval not in path.intervals} == taken
    assert len(thirds) == 3 * len(taken)


def test_integrated_gradients_spend_no_gradient_twice():
    """What is counted is what was asked, never above the budget, also on a path that is rough."""
    net, x = in_style("Functions"), 4 * torch.randn(3, 2, 12, 12)
    asked = 0

    def counted(rows):
        nonlocal asked
        out = net(rows)
        if rows.requires_grad:
            asked += len(rows)
        return out

    found = attribute(counted, x, target=1, method="integrated_gradients", budget=40, tol=1e-6)
    assert asked == found.quality.evaluations.gradients <= 3 * 40
    assert asked >= 3 * 38
