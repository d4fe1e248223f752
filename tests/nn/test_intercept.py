"""The interceptor sees every style of call, and the session gives everything back."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

from pellucid import InputError, UnsupportedModelError, UnsupportedRequestError
from pellucid.nn._intercept import Interceptor
from pellucid.nn._layers import Layers
from pellucid.nn._session import session

STYLES = {
    "functional": functional.relu,
    "functional in place": lambda x: functional.relu(x, inplace=True),
    "torch": torch.relu,
    "torch in place": torch.relu_,
    "method": lambda x: x.relu(),
    "method in place": lambda x: x.relu_(),
    "module": nn.ReLU(),
    "module in place": nn.ReLU(inplace=True),
}


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_the_same_operation(style):
    seen = []

    def rule(call):
        seen.append(call.operation)
        return call.run() + 10

    x = torch.tensor([-1.0, 2.0])
    with Interceptor({"relu": rule}):
        result = STYLES[style](x)
    assert seen == ["relu"]
    assert result.tolist() == [10.0, 12.0]
    assert x.tolist() == ([10.0, 12.0] if "in place" in style else [-1.0, 2.0])


OPERATORS = {
    "mul": [lambda x: x * x, lambda x: 2.0 * x, lambda x: torch.mul(x, x), lambda x: x.clone().mul_(x)],
    "div": [lambda x: x / 2, lambda x: 2 / x, lambda x: torch.true_divide(x, x)],
    "matmul": [lambda x: x @ x.T, lambda x: torch.mm(x, x.T), lambda x: x.T.matmul(x)],
    "pow": [lambda x: x**2, lambda x: x.square() ** 0.5],
    "softmax": [lambda x: x.softmax(-1), nn.Softmax(-1), lambda x: functional.softmax(x, dim=-1)],
    "max_pool": [nn.MaxPool1d(2), lambda x: functional.max_pool1d(x, 2)],
}


@pytest.mark.parametrize("operation", OPERATORS)
def test_operators_and_functions_run_unchanged(operation):
    for spelled in OPERATORS[operation]:
        seen = []

        def rule(call, seen=seen):
            seen.append(call.operation)
            return call.run()

        x = torch.tensor([[1.0, 4.0], [2.0, 0.5]])
        with Interceptor({operation: rule}):
            result = spelled(x)
        assert seen == [operation]
        assert torch.equal(result, spelled(x))


def test_an_out_operand_receives_the_result():
    out = torch.empty(0)
    with Interceptor({"mul": lambda call: call.run() + 1}):
        assert torch.mul(torch.tensor([1.0, 2.0]), 3, out=out) is out
    assert out.tolist() == [4.0, 7.0]


def test_an_augmented_assignment_changes_its_tensor():
    x = torch.tensor([1.0, 2.0])
    alias = x
    with Interceptor({"mul": lambda call: call.run() + 1}):
        x *= 3
    assert x is alias
    assert x.tolist() == [4.0, 7.0]


def test_multihead_attention_is_looked_into():
    seen = []

    def rule(call):
        seen.append(call.operation)
        return call.run()

    attention = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    x = torch.randn(2, 3, 8)
    for need_weights, operation in ((True, "softmax"), (False, "scaled_dot_product_attention")):
        seen.clear()
        with Interceptor(dict.fromkeys(("softmax", "scaled_dot_product_attention", "linear"), rule)):
            found = attention(x, x, x, need_weights=need_weights)[0]
        assert seen.count(operation) == 1
        assert "linear" in seen
        torch.testing.assert_close(found, attention(x, x, x, need_weights=need_weights)[0])


def test_the_fused_encoder_layer_is_seen_inside_a_session():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    seen = []

    def rule(call):
        seen.append(call.operation)
        return call.run()

    with session(layer), torch.no_grad(), Interceptor({"relu": rule, "layer_norm": rule}):
        layer(torch.randn(2, 3, 8))
    assert sorted(seen) == ["layer_norm", "layer_norm", "relu"]


def state_of(net):
    return (
        [m.training for m in net.modules()],
        [p.requires_grad for p in net.parameters()],
        [p.grad for p in net.parameters()],
        [len(m._forward_hooks) for m in net.modules()],
        torch.get_rng_state().tolist(),
        torch.backends.mha.get_fastpath_enabled(),
        torch.is_grad_enabled(),
        {name: value.tolist() for name, value in net.state_dict().items()},
    )


@pytest.mark.parametrize("failure", [None, RuntimeError, KeyboardInterrupt])
def test_a_session_restores_everything(failure):
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
    net[2].eval()  # a mixture of modes comes back as a mixture
    net[0].weight.requires_grad_(False)
    before = state_of(net)
    try:
        with session(net) as warnings:
            assert not any(m.training for m in net.modules())
            net[0].register_forward_hook(lambda *a: None)
            net(torch.randn(5, 3))
            torch.rand(3)
            if failure is not None:
                raise failure
    except (RuntimeError, KeyboardInterrupt):
        pass
    assert "train mode" in warnings[0]
    assert state_of(net) == before


def test_compiled_and_scripted_networks_are_refused():
    net = nn.Linear(2, 2)
    in_place = nn.Linear(2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and still around
        in_place.compile()
        refused = {
            "TorchScript": torch.jit.trace(net, torch.ones(1, 2)),
            "_orig_mod": torch.compile(net),
            "compile\\(\\)": nn.Sequential(in_place),
            "got int": 3,
        }
    for words, model in refused.items():
        with pytest.raises(UnsupportedModelError, match=words), session(model):
            pass


class Reused(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.relu = nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.second(self.relu(self.first(x))))


def test_layers_are_addressed_by_glob_and_call():
    net, x = Reused(), torch.randn(3, 2)

    def names(*patterns):
        layers = Layers(net, patterns)
        with layers.recorded() as kept:
            net(x)
        return layers.named(kept)

    assert list(names("*")) == ["first", "relu#1", "second", "relu#2"]
    assert list(names("relu#2")) == ["relu#2"]
    assert list(names("*irst")) == ["first"]
    found = names("first", "relu#1")
    torch.testing.assert_close(found["first"], net.first(x))  # not what the in-place ReLU made of it
    torch.testing.assert_close(found["relu#1"], net.first(x).relu())
    with pytest.raises(InputError, match=r"nearest of 3 are .*relu"):
        names("rely")
    with pytest.raises(InputError, match=r"the calls are .*relu#1.*relu#2"):
        names("relu#3")
    with pytest.raises(InputError, match="counted from 1"):
        names("relu#0")
    with pytest.raises(UnsupportedRequestError, match="plain function"):
        Layers(functional.relu, ("relu",))
    assert not net.relu._forward_hooks
