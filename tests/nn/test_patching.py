import numpy as np
import pytest
import torch
from torch import nn

from pellucid._base.errors import InputError
from pellucid.nn.ablation import ablate
from pellucid.nn.patching import attribution_patch, patch
from pellucid.testing.networks import InductionModel, completions, repeated_sequences


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("method", [patch, attribution_patch])
def test_the_known_induction_heads_are_recovered(fused, method):
    model, (clean, corrupt) = InductionModel(fused=fused), repeated_sequences(30)
    found = method(model, clean, corrupt, target=completions(clean))
    assert {(site, head) for site, head, _ in found.largest(2)} == set(model.heads)
    others = [share for site, head, share in found.largest(99) if (site, head) not in model.heads]
    assert max(np.abs(others)) < 0.05
    assert found.kind == "head"
    assert len(found.to_frame()) == 6


def test_a_patched_layer_is_the_layer_written_by_hand():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(12, 2))
    clean, corrupt = torch.randn(5, 3, 4), torch.randn(5, 3, 4)
    found = patch(model, clean, corrupt, target=[0, 1, 0, 1, 0], layers=["0", "1"], batch_size=4)
    rows, target = range(5), [0, 1, 0, 1, 0]
    assert found.sites == ("0", "1")
    with torch.no_grad():
        for place in range(3):
            mixed = model[0](corrupt)
            mixed[:, place] = model[0](clean)[:, place]
            effect = model[1:](mixed)[rows, target] - model(corrupt)[rows, target]
            np.testing.assert_allclose(found.effect[0, place], effect.numpy(), atol=1e-6)
    np.testing.assert_allclose(found.effect[0], found.effect[1], atol=1e-6)


@pytest.mark.parametrize("steps", [1, 4])
def test_the_estimate_is_exact_where_the_rest_is_linear(steps):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Flatten(), nn.Linear(12, 2))
    clean, corrupt = torch.randn(5, 3, 4), torch.randn(5, 3, 4)
    exact = patch(model, clean, corrupt, target=1, layers="0")
    found = attribution_patch(model, clean, corrupt, target=1, layers="0", n_steps=steps)
    np.testing.assert_allclose(found.effect, exact.effect, atol=1e-5)
    assert exact.exact
    assert not found.exact


def test_sums_of_estimates_approach_the_whole_difference():
    """At a layer that everything passes through, the estimates add up to the difference: completeness of the path."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(9, 4), nn.Tanh(), nn.Flatten(), nn.Linear(20, 2), nn.Tanh(), nn.Linear(2, 1))
    clean, corrupt = torch.randint(9, (6, 5)), torch.randint(9, (6, 5))
    gaps = []
    for steps in (1, 40):
        found = attribution_patch(model, clean, corrupt, target=0, layers="1", n_steps=steps)
        gaps.append(np.abs(found.effect[0].sum(axis=0) - (found.clean - found.corrupt)).mean())
    # The layer's own change is not along the path of the embeddings, so the sum is near but not equal.
    assert gaps[1] < gaps[0]


def test_patching_says_what_is_wrong():
    model, x = nn.Sequential(nn.Identity(), nn.Flatten(), nn.Linear(6, 2)), torch.randn(4, 3, 2)
    with pytest.raises(InputError, match="same mean score"):
        patch(model, x, x, target=0, layers="0")
    with pytest.raises(InputError, match="Pad tokens"):
        patch(model, x, x[:, :2], target=0, layers="0")
    with pytest.raises(InputError, match="no attention"):
        patch(model, x, x + 1, target=0)
    with pytest.raises(InputError, match=r"nn\.Embedding"):
        attribution_patch(
            OneHot(), torch.ones(2, 2, dtype=torch.long), 0 * torch.ones(2, 2).long(), target=0, layers="0"
        )


class OneHot(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(3, 3), nn.Flatten())

    def forward(self, ids):
        return super().forward(torch.eye(3)[ids])


class Shared(nn.Module):
    """One in-place ReLU called twice over maps."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 2, 3)
        self.relu, self.head = nn.ReLU(inplace=True), nn.Linear(2, 3)

    def forward(self, x):
        return self.head(self.relu(self.second(self.relu(self.first(x)))).mean((2, 3)))


def test_taking_out_a_unit_is_writing_its_mean():
    model, x = Shared().eval(), torch.randn(6, 1, 6, 6)
    found = ablate(model, x, layers=["relu"], batch_size=4)
    assert found.layers == ("relu#1",) * 3 + ("relu#2",) * 2
    with torch.no_grad():
        own = model(x).argmax(1)
        whole = model(x)[range(6), own]
        hidden = model.first(x).clamp(min=0)
        for unit in range(3):
            changed = hidden.clone()
            changed[:, unit] = hidden[:, unit].mean()
            left = model.head(model.second(changed).clamp(min=0).mean((2, 3)))[range(6), own]
            np.testing.assert_allclose(found.effect[unit], (whole - left).numpy(), atol=1e-5)
    np.testing.assert_allclose(found.score, whole.numpy(), atol=1e-6)


def test_needed_units_are_those_that_help_beyond_chance():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1, bias=False))
    model[0].weight.data, model[0].bias.data = torch.eye(4), torch.tensor([1.0, 0.0, 0.0, -1.0])
    model[1].weight.data = torch.tensor([[2.0, 0.0, 1.0, 1.0]])
    x = 0.1 * torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    found = ablate(model, x, layers="0", to="zero")
    assert found.needed[:1] == (0,)
    assert 1 not in found.needed
    assert 3 not in found.needed
    assert found.p_value[3] < 0.01  # it matters, but it does not help
    assert found.by_layer()["0"].shape == (4,)
    gives = (x + torch.tensor([1.0, 0, 0, -1.0])) * torch.tensor([2.0, 0, 1, 1])
    np.testing.assert_allclose(found.size, gives.abs().mean(0), rtol=1e-4)
    assert "Scores move most without 0 unit 0 (" in found.sentence()


def test_only_the_units_asked_for():
    model, x = Shared(), torch.randn(3, 1, 6, 6)
    found = ablate(model, x, layers="first", units={"first": [2]})
    np.testing.assert_allclose(found.effect, ablate(model, x, layers="first").effect[2:], atol=1e-6)
    with pytest.raises(InputError, match="lie between 0 and 2"):
        ablate(model, x, layers="first", units={"first": [3]})
    with pytest.raises(InputError, match="not among first"):
        ablate(model, x, layers="first", units={"second": [0]})
    with pytest.raises(InputError, match="'mean' or 'zero'"):
        ablate(model, x, layers="first", to="noise")
