import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pellucid._base.errors import InputError
from pellucid.nn.activations import channel_grid, record, summarize


class Reused(nn.Module):
    """One in-place ReLU called twice, a tuple as output, and a mapping as input."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 4)
        self.relu, self.drop = nn.ReLU(inplace=True), nn.Dropout(0.5)

    def forward(self, x, shift=None):
        hidden = self.relu(self.first(x if shift is None else x + shift))
        return self.relu(self.second(self.drop(hidden))), hidden


def reused():
    torch.manual_seed(0)
    return Reused()


def state_of(model):
    return (
        [module.training for module in model.modules()],
        [parameter.requires_grad for parameter in model.parameters()],
        [len(module._forward_hooks) for module in model.modules()],
        torch.get_rng_state().tolist(),
    )


def test_record_gives_what_each_call_gave_before_anything_changed_it_in_place():
    model, x = reused(), torch.randn(5, 3)
    before = state_of(model)
    found = record(model, x, layers=["first", "relu"])
    assert state_of(model) == before
    linear = model.first(x).detach()
    second = model.second(linear.clamp(min=0)).detach()
    torch.testing.assert_close(found["first"], linear)
    torch.testing.assert_close(found["relu#1"], linear.clamp(min=0))
    torch.testing.assert_close(found["relu#2"], second.clamp(min=0))
    assert found.shapes == {"first": (5, 4), "relu#1": (5, 4), "relu#2": (5, 4)}
    assert not any(value.requires_grad for value in found.values())
    assert found.to_frame()["layer"].tolist() == list(found.layers)


def test_record_by_glob_call_and_mapping_in_batches():
    model, x = reused(), torch.randn(7, 3)
    inputs = {"x": x, "shift": torch.ones(7, 3)}
    whole = record(model, inputs, layers="*")
    parts = record(model, inputs, layers="*", batch_size=3)
    assert whole.layers == parts.layers
    for name in whole:
        torch.testing.assert_close(whole[name], parts[name])
    assert record(model, x, layers="relu#2").layers == ("relu#2",)


@pytest.mark.parametrize("state", ["error", "interrupt"])
def test_everything_is_restored_when_the_network_fails(state):
    model = reused()
    kind = {"error": RuntimeError, "interrupt": KeyboardInterrupt}[state]

    def fail(*_):
        raise kind

    handle = model.second.register_forward_hook(fail)
    x = torch.randn(2, 3)
    before = state_of(model)
    with pytest.raises(kind):
        record(model, x, layers="first")
    assert state_of(model) == before
    handle.remove()


def test_record_says_what_is_wrong():
    model = reused()
    with pytest.raises(InputError, match=r"nearest .*first"):
        record(model, torch.randn(2, 3), layers="frist")
    with pytest.raises(InputError, match="at least one row"):
        record(model, torch.randn(0, 3))
    with pytest.raises(InputError, match="NaN"):
        record(model, torch.full((2, 3), torch.nan))
    with pytest.raises(InputError, match=r"torch\.as_tensor"):
        record(model, [[1.0, 2.0, 3.0]])
    with pytest.raises(InputError, match="was not recorded"):
        record(model, torch.randn(2, 3), layers="first")["second"]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_summary_of_batches_is_that_of_all_rows(seed, sizes):
    rng = np.random.default_rng(seed)
    batches = [torch.from_numpy(rng.normal(size=(n, 2, 5, 5)) * 10 ** rng.uniform(-1, 3)) for n in sizes]
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU()).double()
    with torch.no_grad():
        model[0].weight[1] = -2 * model[0].weight[0]
        model[0].bias[2], model[0].weight[2] = 5.0, 0.0
    found = summarize(model, iter(batches), layers="0", top=3)["0"]
    values = record(model, torch.cat(batches), layers="0")["0"].numpy()
    flat = values.transpose(1, 0, 2, 3).reshape(3, -1)
    np.testing.assert_allclose(found.mean, flat.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(found.std, flat.std(axis=1), rtol=1e-5, atol=1e-6 * np.abs(flat).max())
    np.testing.assert_allclose((found.low, found.high), (flat.min(axis=1), flat.max(axis=1)), rtol=1e-9)
    peaks = values.max(axis=(2, 3))
    order = np.argsort(-peaks, axis=0, kind="stable")[:3].T
    np.testing.assert_array_equal(found.top_rows, order)
    np.testing.assert_allclose(found.top_values, np.take_along_axis(peaks.T, order, axis=1), rtol=1e-9)
    edges = found.edges
    for unit in range(3):
        counts = np.histogram(np.clip(flat[unit], edges[0], np.nextafter(edges[-1], -1)), bins=edges)[0]
        np.testing.assert_array_equal(found.histogram[unit], counts)
    assert found.n == sum(sizes)
    assert found.dead.tolist() == [False, False, True]
    assert [pair[:2] for pair in found.duplicates] == [(0, 1)]
    assert found.duplicates[0][2] == pytest.approx(-1)
    assert found.to_frame()["duplicate"].tolist() == [True, True, False]


def test_a_large_mean_costs_no_digits():
    model = nn.Sequential(nn.Linear(1, 1, bias=False)).double()
    model[0].weight.data.fill_(1.0)
    x = 1e8 + torch.randn(500, 1, dtype=torch.float64)
    found = summarize(model, x, layers="0", batch_size=50)["0"]
    assert found.std[0] == pytest.approx(float(x.std(correction=0)), rel=1e-6)


def test_summarize_refuses_no_data():
    with pytest.raises(InputError, match="no batch"):
        summarize(reused(), iter([]), layers="first")
    with pytest.raises(InputError, match="iterable of batches"):
        summarize(reused(), 3, layers="first")


def test_channel_grid_takes_the_strongest():
    maps = np.zeros((2, 4, 3, 3))
    maps[1, 2], maps[1, 0, 0, 0] = -1.0, 5.0
    grid = channel_grid(torch.from_numpy(maps), row=1, most=2)
    assert (grid.channels.tolist(), grid.limit, grid.total) == ([2, 0], 5.0, 4)
    np.testing.assert_array_equal(grid.maps, maps[1, [2, 0]])
    with pytest.raises(InputError, match="row must lie"):
        channel_grid(maps, row=2)
