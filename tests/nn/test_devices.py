"""On every device of this machine: the same numbers, where the network is, and nothing moved."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from pellucid.nn import (
    METHODS,
    ablate,
    ablate_heads,
    attention,
    attention_map,
    attribution_patch,
    flipping,
    patch,
    probe,
    record,
    sparse_autoencoder,
)
from pellucid.testing.networks import InductionModel, completions, repeated_sequences

from .asking import PICTURES, explained, net_and_input
from .networks import Transformer

DEVICES = ("cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count())))


def places(net):
    return {str(tensor.device) for tensor in (*net.parameters(), *net.buffers())}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", METHODS)
def test_a_method_gives_the_same_numbers_on_every_device(method, device):
    net, x = net_and_input(method)
    wanted = explained(method, net, x)
    net = net.to(device)
    seen = set()
    net.register_forward_pre_hook(lambda _, given: seen.update(str(tensor.device) for tensor in given))
    found = explained(method, net, x.to(device))
    np.testing.assert_allclose(found.values, wanted.values, rtol=1e-3, atol=1e-4)
    assert places(net) == seen == {device}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", [method for method in METHODS if method not in PICTURES])
def test_tokens_are_explained_where_the_network_is(method, device):
    net, ids = Transformer().eval().to(device), torch.randint(0, 11, (2, 3), device=device)
    found = explained(method, net, ids, background=torch.zeros_like(ids[:1]), baseline=0)
    assert np.isfinite(found.values).all()


@contextmanager
def elsewhere():
    """The caller's default device is another one than the network's; what is made there by mistake has no numbers."""
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device("cpu")


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_made_on_the_caller_s_default_device(method):
    net, x = net_and_input(method)
    background = torch.zeros_like(x)
    wanted = explained(method, net, x, background=background)
    with elsewhere():
        found = explained(method, net, x, background=background)
    np.testing.assert_array_equal(found.values, wanted.values)


def test_other_measures_make_nothing_on_the_caller_s_default_device():
    model = InductionModel()
    clean, corrupt = repeated_sequences(6)
    target, x = completions(clean), torch.randn(40, 6)
    net = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    concept = np.arange(40) % 2
    with elsewhere():
        assert attribution_patch(model, clean, corrupt, target=target).effect.shape[2] == 6
        assert patch(model, clean, corrupt, target=target).effect.shape[2] == 6
        assert ablate_heads(model, clean, target=target).effect.shape[1] == 6
        assert ablate(model, clean, layers="layers.0", target=target).effect.shape[1] == 6
        assert np.isfinite(attention_map(model, clean, kind="attnlrp", target=target).values).all()
        assert len(probe(record(net, x, layers=["0", "1"]), concept).probes) == 2
        assert sparse_autoencoder(x, n_latents=8, k=2, n_steps=5) is not None


@pytest.mark.parametrize("device", DEVICES)
def test_the_other_measures_run_where_the_network_is(device):
    model = InductionModel().to(device)
    clean, corrupt = (tokens.to(device) for tokens in repeated_sequences(6))
    target = completions(clean)
    assert record(model, clean, layers="*")[next(iter(record(model, clean)))].device == torch.device(device)
    assert attention(model, clean).rollout().shape[0] == 6
    found = patch(model, clean, corrupt, target=target)
    assert {(site, head) for site, head, _ in found.largest(2)} == set(model.heads)
    assert ablate_heads(model, clean, target=target).effect.shape[1] == 6
    assert ablate(model, clean, layers="layers.0", target=target).effect.shape[1] == 6
    for kind in ("gradient", "attnlrp", "rollout", "flow"):
        assert np.isfinite(attention_map(model, clean, kind=kind, target=target).values).all()
    net, x = (thing.to(device) for thing in net_and_input("saliency"))
    values = explained("saliency", net, x)
    assert np.isfinite(flipping(net, x, values, target=1, n_steps=4).abpc).all()
    assert places(model) == places(net) == {device}
