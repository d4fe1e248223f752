"""What peers get wrong, inputs and outputs of every kind, and every bad case: right, or one clear error."""

import gc

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

from pellucid import InputError, ModelError, PellucidError, UnsupportedRequestError
from pellucid.nn import LRP, METHODS, Occlusion, attribute

from .asking import PICTURES, explained, net_and_input, same, unchanged
from .networks import Functions, OwnConv, Transformer, in_style, tabular

# ---- what peers get wrong -------------------------------------------------------------------------------------


def test_guided_backprop_is_not_the_plain_gradient_of_functions():
    net, x = in_style("Functions"), torch.randn(2, 2, 12, 12)
    guided = attribute(net, x, target=1, method="guided_backprop")
    leaf = x.clone().requires_grad_()
    (plain,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    assert np.abs(guided.shaped[..., 0] - plain.numpy()).max() > 1e-3
    assert "Adebayo" in guided.quality.warnings[0]
    assert "no rectifier" in explained("guided_backprop", nn.Linear(4, 2), torch.ones(1, 4)).quality.warnings[-1]


def test_relevance_propagation_takes_a_subclass_of_a_convolution():
    net = nn.Sequential(OwnConv(2, 3, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2, bias=False))
    assert attribute(net, torch.randn(2, 2, 4, 4), target=0, method=LRP(rule="zplus")).quality.residual < 1e-4


def test_a_failing_forward_leaves_nothing_behind():
    class Fails(nn.Linear):
        def forward(self, x):
            super().forward(x)
            raise ZeroDivisionError

    net, x = Fails(4, 2), torch.ones(2, 4)
    net.train()
    for method in METHODS:
        with pytest.raises((ZeroDivisionError, PellucidError)):
            explained(method, net, x)
        assert not x.requires_grad
        assert net.training
        assert net.weight.requires_grad
        assert not net._forward_hooks


def test_layers_of_an_in_place_network_hold_what_they_returned():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Linear(4, 2))
    x = torch.randn(5, 3)
    found = attribute(net, x, target=0, method="gradient_x_input", layers=["0", "1"])
    before = net[0](x).detach()
    weight = net[2].weight[0].detach()
    np.testing.assert_allclose(found["1"].values[..., 0], before.relu() * weight, atol=1e-6)
    np.testing.assert_allclose(found["0"].values[..., 0], before.relu() * weight, atol=1e-6)
    gradient = attribute(net, x, target=0, method="saliency", layers="0").values[..., 0]
    np.testing.assert_allclose(gradient, (before > 0) * weight.abs(), atol=1e-6)


def test_token_grids_are_inferred_and_others_refused():
    from pellucid.nn.attribution.cam import as_maps, grid_of

    assert grid_of(197, (224, 224)) == (1, 14, 14)
    assert grid_of(196, (224, 224)) == (0, 14, 14)
    assert grid_of(198, (224, 224)) == (2, 14, 14)
    assert grid_of(33, (32, 64)) == (1, 4, 8)
    with pytest.raises(UnsupportedRequestError, match="no grid"):
        grid_of(23, (224, 224))
    assert as_maps(torch.zeros(2, 7, 7, 96), (224, 224)).shape == (2, 96, 7, 7)  # channels last, as Swin has them
    assert as_maps(torch.zeros(2, 96, 7, 7), (224, 224)).shape == (2, 96, 7, 7)
    tokens = torch.arange(5.0)[None, :, None]
    assert as_maps(tokens, (32, 32))[0, 0].tolist() == [[1.0, 2.0], [3.0, 4.0]]


# ---- inputs, outputs, layers, units ---------------------------------------------------------------------------


def test_grad_cam_is_its_definition_and_layers_share_one_pass():
    net, x = in_style("Modules"), torch.randn(2, 2, 12, 12)
    calls = []
    handle = net.register_forward_hook(lambda *a: calls.append(1))
    found = attribute(net, x, target=[0, 2], method="gradcam", layers=["c?"])
    handle.remove()
    assert len(calls) == 1
    assert list(found) == ["c1", "c2"]
    maps = net.c2(net.pool(net.r1(net.c1(x)))).detach().requires_grad_()
    out = net.f2(net.r3(net.f1(net.pool(net.r2(maps)).flatten(1))))
    (gradient,) = torch.autograd.grad(out[:, 2].sum(), maps)
    wanted = (gradient.mean((2, 3), keepdim=True) * maps).sum(1).relu().detach()
    np.testing.assert_allclose(found["c2"].shaped[..., 1], wanted, atol=1e-6)
    by_element = attribute(net, x, target=2, method="layercam", layers="c2").shaped[..., 0]
    np.testing.assert_allclose(by_element, (gradient.relu() * maps).sum(1).relu().detach(), atol=1e-6)


def test_several_layers_and_targets_in_one_pass_equal_each_alone():
    net, x = in_style("InPlace"), torch.randn(2, 2, 12, 12)
    for method in ("saliency", "deeplift", "lrp", "integrated_gradients", "smoothgrad"):
        together = attribute(net, x, target=[0, 2], method=method, layers=["c1", "relu", "f1"], budget=20)
        assert list(together) == ["c1", "relu", "f1"]
        alone = attribute(net, x, target=2, method=method, layers="f1", budget=20)
        assert together["f1"].shaped.shape == (2, 8, 2)
        if method != "integrated_gradients":  # its path is cut for all targets and layers together
            np.testing.assert_allclose(together["f1"].values[..., 1], alone.values[..., 0], rtol=1e-5, atol=1e-6)


def test_units_of_a_layer_are_explained():
    net, x = in_style("Functions"), torch.randn(3, 2, 12, 12)
    found = attribute(net, x, method="deeplift", layers="c2", units=[1, (2, 0, 3)])
    with torch.no_grad():
        c2, c20 = (net.c2(functional.max_pool2d(functional.relu(net.c1(z)), 2)) for z in (x, x * 0))
    np.testing.assert_allclose(found.values.sum(1)[:, 0], (c2 - c20)[:, 1].sum((1, 2)), atol=1e-4)
    np.testing.assert_allclose(found.values.sum(1)[:, 1], (c2 - c20)[:, 2, 0, 3], atol=1e-5)


class Several(nn.Module):
    """Two inputs, one of them a keyword, a constant, and a dictionary as output."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 2), nn.Linear(2, 2)

    def forward(self, first, *, second, scale, mask=None):
        out = self.a(first).relu() * self.b(second) * scale
        return {"logits": out * mask if mask is not None else out, "hidden": first}


def test_keywords_constants_and_dictionaries():
    net = Several()
    mask = torch.tensor([[1, 0], [1, 1], [0, 1]])
    inputs = {"first": torch.randn(3, 3), "second": torch.randn(3, 2), "scale": 2, "mask": mask}
    found = attribute(
        net, inputs, target=[0, 1], method="deeplift", baseline={"first": 0.5 * torch.ones(3), "second": torch.zeros(2)}
    )
    assert found.quality.residual < 1e-5
    assert found.shapes == {"first": (3,), "second": (2,)}
    assert found.features[:4] == ("first[0]", "first[1]", "first[2]", "second[0]")
    assert found.part("second").shaped.shape == (3, 2, 2)
    np.testing.assert_allclose(found.part("first").prediction, found.prediction)
    with pytest.raises(InputError, match="part"):
        _ = found.shaped
    with pytest.raises(InputError, match="second"):
        attribute(net, inputs, target=0, baseline={"first": torch.zeros(3)})
    assert not found.values[0, :, 1].any()  # masked: the constant belongs to its row


def test_a_table_keeps_its_names():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(5, 4)), columns=["age", "rate", "sum", "time"])
    net = tabular(1)
    found = attribute(net, frame, method="deeplift", background=frame.head(2))
    assert found.features == ("age", "rate", "sum", "time")
    assert found.outputs == ("output",)
    assert found.to_frame().shape == (5, 6)


def test_language_models_are_explained_at_a_place_and_a_word():
    class Next(Transformer):
        def forward(self, ids):
            return self.head(self.layer(self.embed(ids)))

    ids = torch.randint(0, 11, (2, 5))
    found = attribute(Next().double(), ids, target=[(4, 1), (0, 2)], method="deeplift")
    assert found.outputs == ("4, 1", "0, 2")
    assert found.quality.residual < 1e-5
    with pytest.raises(InputError, match="0…4 × 0…2"):
        attribute(Next(), ids, target=1)


def test_an_explanation_of_a_network_is_saved_and_loaded(tmp_path):
    found = attribute(in_style("Functions"), torch.randn(2, 2, 12, 12), target=[0, 1], method="smoothgrad")
    again = type(found).load(found.save(tmp_path / "net.pellucid"))
    np.testing.assert_array_equal(again.shaped, found.shaped)
    np.testing.assert_array_equal(again.quality.gap, found.quality.gap)
    assert again.quality.evaluations.gradients == 2 * 2 * 32


def test_sampled_methods_report_errors_that_shrink_and_seeds_repeat():
    net, x = in_style("Functions"), torch.randn(1, 2, 12, 12)
    for method in ("smoothgrad", "expected_gradients", "rise"):
        few, many = (explained(method, net, x, budget=n) for n in (20, 320))
        assert 2.5 < few.std_error.mean() / many.std_error.mean() < 6
        np.testing.assert_array_equal(few.values, explained(method, net, x, budget=20).values)
        assert np.abs(few.values - explained(method, net, x, budget=20, random_state=1).values).max() > 0


def test_occlusion_is_its_definition():
    net, x = in_style("Functions"), torch.randn(1, 2, 12, 12)
    found = attribute(net, x, target=0, method=Occlusion(window=4, stride=4), baseline=0.3).shaped[..., 0]
    with torch.no_grad():
        for top in (0, 4, 8):
            hidden = x.clone()
            hidden[:, :, top : top + 4, 4:8] = 0.3
            lost = float((net(x) - net(hidden))[0, 0])
            np.testing.assert_allclose(found[0, :, top : top + 4, 4:8], lost, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "window", "stride"),
    [((2, 5, 4), (4, 2), (1, 2)), ((8,), 3, 2), ((5, 2), 2, 1), ((2, 4, 4, 5), (2, 3, 5), 1), ((3,), None, None)],
)
def test_windows_are_over_places_and_averaged_where_they_overlap(shape, window, stride):
    """Rectangles of pictures and films, runs of tokens and of features; the last window ends at the edge."""
    net, x = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 1), nn.Tanh()), torch.randn(2, *shape)
    found = attribute(net, x, method=Occlusion(window=window, stride=stride), baseline=0.4).shaped[..., 0]
    first = 1 if len(shape) > 2 else 0
    places = shape[first:] if first else shape[:1]
    sides = window if isinstance(window, tuple) else (window or 1,) * len(places)
    steps = stride if isinstance(stride, tuple) else (stride or 1,) * len(places)
    corners = np.ndindex(*places)
    total, count = np.zeros(found.shape), np.zeros(shape)
    for corner in corners:
        edge = [c + s == length for c, s, length in zip(corner, sides, places, strict=True)]
        inside = all(c + s <= length for c, s, length in zip(corner, sides, places, strict=True))
        if inside and all(c % step == 0 or last for c, step, last in zip(corner, steps, edge, strict=True)):
            cut = (slice(None),) * first + tuple(slice(c, c + s) for c, s in zip(corner, sides, strict=True))
            hidden = x.clone()
            hidden[(slice(None), *cut)] = 0.4
            lost = (net(x) - net(hidden)).detach().numpy()[:, 0]
            total[(slice(None), *cut)] += lost.reshape(-1, *[1] * total[(slice(None), *cut)][0].ndim)
            count[cut] += 1
    np.testing.assert_allclose(found, total / count, atol=1e-6)


def test_a_window_that_fits_nothing_is_refused():
    for window in (0, (2, 0), 1.5, True, ()):
        with pytest.raises(InputError, match="whole numbers"):
            Occlusion(window=window)
    with pytest.raises(InputError, match="needs one number, or 2"):
        attribute(in_style("Modules"), torch.randn(1, 2, 12, 12), target=0, method=Occlusion(window=(1, 2, 3)))


def test_rows_are_asked_in_pieces_when_memory_is_short(monkeypatch):
    net, x = in_style("Functions"), torch.randn(7, 2, 12, 12)
    for method in ("deeplift", "integrated_gradients", "lrp", "occlusion"):
        whole = explained(method, net, x).values
        with monkeypatch.context() as patch:
            patch.setattr("pellucid.nn._question.MEMORY", 60_000)
            np.testing.assert_allclose(explained(method, net, x).values, whole, rtol=1e-4, atol=1e-6)


# ---- bad cases, for every method ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_bad_cases_get_one_clear_error_and_change_nothing(method):
    net, x = net_and_input(method)
    nan = x.clone()
    nan.view(-1)[3] = torch.nan
    cases = {
        "finite": (nan, {}),
        "float64": (x.double(), {}),
        "outside": (x, {"target": 3}),
        "negative": (x, {"target": -1}),
        "several outputs|has 3 outputs": (x, {"target": None}),
        "whole number": (x, {"target": 0.5}),
        "each once": (x, {"target": [1, 1]}),
        "at least one": (x[:0], {}),
        "nearest": (x, {"layers": "no_such_layer"}),
        "is on cpu|on meta": (x.to("meta"), {}),
        "budget": (x, {"budget": 0}),
        "tol": (x, {"tol": -1.0}),
        "shape": (x, {"baseline": torch.zeros(1, 99)}),
        "units= are": (x, {"units": 1}),
        "random_state": (x, {"random_state": 0.5}),
    }
    before = unchanged(net, x)
    for words, (given, options) in cases.items():
        background = x if given.device.type == "meta" or not len(given) else torch.zeros_like(given)
        with pytest.raises((InputError, UnsupportedRequestError), match=words):
            explained(method, net, given, **{"background": background, **options})
    assert same(unchanged(net, x), before)


@pytest.mark.parametrize("method", METHODS)
def test_awkward_but_right_cases(method):
    net, x = net_and_input(method)
    wanted = explained(method, net, x)
    before = unchanged(net, x)
    awkward = x.mT.contiguous().mT if x.ndim == 4 else x.T.contiguous().T
    assert not awkward.is_contiguous()
    np.testing.assert_allclose(explained(method, net, awkward).values, wanted.values, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        np.testing.assert_array_equal(explained(method, net, x).values, wanted.values)
    with torch.inference_mode():
        np.testing.assert_array_equal(explained(method, net, x).values, wanted.values)
    assert same(unchanged(net, x), before)
    net.requires_grad_(False)
    np.testing.assert_array_equal(explained(method, net, x).values, wanted.values)
    net.train()
    found = explained(method, net, x)
    np.testing.assert_array_equal(found.values, wanted.values)
    assert net.training
    assert "train mode" in found.quality.warnings[0]


@pytest.mark.parametrize("method", [m for m in METHODS if m not in PICTURES])
def test_tokens_one_and_many_and_shared_weights(method):
    net = Transformer(width=4).eval()
    net.layer.linear2.weight = nn.Parameter(net.layer.linear1.weight.detach().T.clone())
    net.layer.linear1.bias = net.layer.linear1.bias
    background = torch.zeros(1, 4)
    for tokens in (1, 3):
        ids = torch.randint(0, 11, (2, tokens))
        found = explained(method, net, ids, background=torch.zeros_like(ids[:1]), baseline=0)
        assert found.shaped.shape == (2, tokens, 4, 1)
        assert np.isfinite(found.values).all()
    tied = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    tied[2].weight = tied[0].weight
    assert explained(method, tied, torch.randn(2, 4), background=background).values.shape == (2, 4, 1)


@pytest.mark.parametrize("method", ["deeplift", "attnlrp", "libragrad", "saliency", "rise"])
def test_four_thousand_tokens(method):
    net = nn.Sequential(nn.Embedding(11, 2), nn.Linear(2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8192, 2)).eval()
    found = explained(method, net, torch.randint(0, 11, (1, 4096)), background=None, baseline=0)
    assert found.shaped.shape == (1, 4096, 2, 1)


def test_what_a_network_returns_is_checked():
    x = torch.randn(3, 4)
    for words, net in {
        "row for each of 3": lambda x: x.sum(),
        "hold one": lambda x: "text",
        "not finite": lambda x: x.sum(1) / 0,
        "detaches": lambda x: x.detach().sum(1),
        "constant": lambda x: functional.softmax(x, -1)[:, 0],
    }.items():
        method = "libragrad" if words == "constant" else "saliency"
        with pytest.raises((ModelError, UnsupportedRequestError), match=words):
            attribute(net, x, method=method)
    assert attribute(lambda x: (x.sum(1), "more"), x, method="saliency").values.shape == (3, 4, 1)


def test_a_function_without_a_rule_is_named_when_values_do_not_add_up():
    found = attribute(lambda x: torch.special.i0(x).sum(1), torch.randn(3, 4) * 3, method="deeplift")
    assert "special_i0" in found.quality.warnings[0]


def test_the_wrong_method_and_too_many_layers_are_said():
    net, x = in_style("Modules"), torch.randn(1, 2, 12, 12)
    with pytest.raises(InputError, match="Did you mean 'deeplift'"):
        attribute(net, x, method="deeplit")
    with pytest.raises(InputError, match="an instance"):
        attribute(net, x, method=LRP)
    with pytest.raises(InputError, match="background="):
        attribute(net, x, target=0, method="deepshap")
    with pytest.raises(InputError, match=r"names 2 sites.*layers=\['c\?'\]"):
        attribute(net, x, target=0, method="saliency", layers="c?")
    with pytest.raises(UnsupportedRequestError, match="pictures"):
        attribute(tabular(), torch.ones(1, 4), target=0, method="gradcam")
    with pytest.raises(UnsupportedRequestError, match="takes no layers"):
        attribute(net, x, target=0, method="rise", layers="c1")


def test_nothing_is_kept_alive():
    net, x = Functions(), torch.randn(1, 2, 12, 12)
    attribute(net, x, target=0, method="deeplift")
    gc.collect()
    before = sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects())
    for _ in range(3):
        attribute(net, x, target=0, method="deeplift")
    gc.collect()
    assert sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects()) <= before + 2
