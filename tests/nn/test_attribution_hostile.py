"""A hostile caller: every method is right, or says one clear error, and leaves the caller's things as they were."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from pellucid import InputError, UnsupportedModelError, UnsupportedRequestError
from pellucid.nn import METHODS

from .asking import PICTURES, explained, net_and_input, same, unchanged
from .networks import in_style

FLAT = [method for method in METHODS if method not in PICTURES]


def uninitialised():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.Sequential(nn.LazyConv2d(3, 3), nn.Flatten(), nn.LazyLinear(3))


def scripted(net):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch: TorchScript is deprecated
        return torch.jit.script(net)


def compiled(net):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.compile(net)


REFUSED = {
    "without numbers": lambda net, x: (net.to("meta"), x.to("meta"), {}),
    "baseline of 'input' is on meta": lambda net, x: (net, x, {"baseline": torch.zeros_like(x, device="meta")}),
    "background of 'input' is on meta": lambda net, x: (net, x, {"background": torch.zeros_like(x, device="meta")}),
    "dense tensor": lambda net, x: (net, x.to_sparse(), {"background": x}),
    "floating-point": lambda net, x: (net, x > 0, {"background": None}),
    "embedding|floating-point": lambda net, x: (net, x.long(), {"background": None}),
    "TorchScript": lambda net, x: (scripted(net), x, {}),
    "torch.compile": lambda net, x: (compiled(net), x, {}),
    "call it once": lambda net, x: (uninitialised(), x, {}),
    "at least one layer": lambda net, x: (net, x, {"layers": []}),
    "torch.float16": lambda net, x: (net, x.half(), {}),
    "torch.float32 and the network torch.float64": lambda net, x: (net.double(), x, {}),
    "baseline of 'input' must have at least one row, and finite": lambda net, x: (net, x, {"baseline": torch.nan}),
}


@pytest.mark.parametrize("words", REFUSED)
@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_explained_is_refused_in_words(method, words):
    net, x, options = REFUSED[words](*net_and_input(method))
    with pytest.raises((InputError, UnsupportedModelError, UnsupportedRequestError), match=words):
        explained(method, net, x, **options)


@pytest.mark.parametrize("method", METHODS)
def test_weights_of_inference_mode_are_refused_and_left_alone(method):
    net, x = net_and_input(method)
    with torch.inference_mode():
        net = net.double().float() if method in PICTURES else nn.Sequential(nn.Linear(4, 3))
        for parameter in list(net.parameters()):
            assert parameter.is_inference()
    with pytest.raises(InputError, match="inference_mode"):
        explained(method, net, x)
    assert all(parameter.requires_grad for parameter in net.parameters())


class Interrupted(nn.Module):
    """Ctrl-C in a forward pass of a network, the first or a later one."""

    def __init__(self, net, at):
        super().__init__()
        self.net, self.left = net, at

    def forward(self, x):
        self.left -= 1
        middle = self.net(x)
        if not self.left:
            raise KeyboardInterrupt
        return middle


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_after_ctrl_c_everything_is_as_it_was(method, at):
    net, x = net_and_input(method)
    stopped = Interrupted(net, at).train()
    for module in stopped.modules():
        module.register_forward_hook(lambda *_: None)
    before = unchanged(stopped, x)
    try:
        explained(method, stopped, x)
    except KeyboardInterrupt:
        assert stopped.left <= 0
    else:
        assert stopped.left > 0  # one pass was enough
    assert same(unchanged(stopped, x), before)


@pytest.mark.parametrize("method", METHODS)
def test_the_caller_s_tensors_hooks_and_modes_stay(method):
    net, x = net_and_input(method)
    wanted = explained(method, net, x).values
    seen = []
    for module in net.modules():
        module.register_forward_hook(lambda *_: seen.append("forward"))
        module.register_forward_pre_hook(lambda *_: seen.append("before"))
    for parameter in net.parameters():
        parameter.register_hook(lambda _: seen.append("gradient"))
        parameter.grad = torch.ones_like(parameter)
    leaf = x.clone().requires_grad_()
    leaf.grad = torch.ones_like(x)
    before = unchanged(net, leaf)
    np.testing.assert_array_equal(explained(method, net, leaf).values, wanted)
    assert {"forward", "before"} <= set(seen)  # the caller's own hooks see the passes
    assert "gradient" not in seen  # no parameter is asked for its gradient
    np.testing.assert_array_equal(explained(method, net, leaf * 1).values, wanted)
    with torch.inference_mode():
        made_there = x.clone()
    np.testing.assert_array_equal(explained(method, net, made_there).values, wanted)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = unchanged(net, leaf)
        rough = explained(method, net, x).values
        assert same(unchanged(net, leaf), inside)
    scale = np.abs(wanted).max()
    assert np.isfinite(rough).all()
    assert np.abs(rough - wanted).mean() < 0.2 * scale
    assert same(unchanged(net, leaf), before)


@pytest.mark.parametrize("method", METHODS)
def test_networks_that_work_in_place_and_inputs_that_share_memory(method):
    net, plain, x = in_style("InPlace"), in_style("Functions"), torch.randn(1, 2, 12, 12).expand(2, 2, 12, 12)
    layers = "c2" if method in PICTURES else None
    found, wanted = (explained(method, one, given, layers=layers) for one, given in ((net, x), (plain, x.contiguous())))
    np.testing.assert_allclose(found.values, wanted.values, rtol=1e-4, atol=1e-6)


class Words(nn.Module):
    """Two numbers for each token, seen through a rectifier, and their mean."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(11, 2), nn.Linear(2, 2)

    def forward(self, ids):
        return self.head(self.embed(ids).relu()).mean(1)


@pytest.mark.parametrize("method", FLAT)
def test_a_text_of_one_token_and_of_four_thousand(method):
    net = Words().eval()
    for tokens in (1, 4096):
        ids = torch.randint(0, 11, (1, tokens))
        given = {"background": torch.zeros_like(ids), "baseline": 0}
        if method == "shapley" and tokens > 1:  # pairs of coalitions cannot be fewer than tokens
            with pytest.raises(UnsupportedRequestError, match="Pass budget="):
                explained(method, net, ids, **given)
            continue
        found = explained(method, net, ids, **given)
        assert found.shaped.shape == (1, tokens, 2, 1)
        assert np.isfinite(found.values).all()
