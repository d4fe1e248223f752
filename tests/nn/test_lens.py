import numpy as np
import pytest
import torch
from torch import nn

from pellucid._base.errors import InputError
from pellucid.nn.lens import logit_lens
from pellucid.nn.visualisation import visualize


class Residual(nn.Module):
    """A language model of two residual blocks, with a last norm or without."""

    def __init__(self, norm):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.blocks = nn.Embedding(7, 5), nn.ModuleList(nn.Linear(5, 5) for _ in range(2))
        self.pass_on, self.last = (
            nn.ModuleList(nn.Identity() for _ in range(2)),
            nn.LayerNorm(5) if norm else nn.Identity(),
        )
        self.unembed = nn.Linear(5, 7)

    def forward(self, ids):
        hidden = self.embed(ids)
        for block, out in zip(self.blocks, self.pass_on, strict=True):
            hidden = out(hidden + block(hidden).tanh())
        return {"logits": self.unembed(self.last(hidden))}


@pytest.mark.parametrize("norm", [True, False])
def test_lens_decodes_with_the_model_s_own_norm(norm):
    model, ids = Residual(norm), torch.randint(7, (3, 4))
    found = logit_lens(model, ids, layers=["embed", "pass_on.*"])
    assert found.layers == ("embed", "pass_on.0", "pass_on.1")
    assert found.norm == ("last" if norm else None)
    own = model(ids)["logits"].detach()
    with torch.no_grad():
        first = model.unembed(model.last(model.embed(ids))).double().softmax(-1)
    np.testing.assert_array_equal(found.tokens[0], first.argmax(-1))
    np.testing.assert_allclose(found.probability[0], first.max(-1).values, rtol=1e-5)
    reference = own.double().softmax(-1)
    divergence = (reference * (reference / first).log()).sum(-1)
    np.testing.assert_allclose(found.divergence[0], divergence, atol=1e-6)
    np.testing.assert_allclose(found.divergence[2], 0, atol=1e-6)
    assert (found.rank[2] == 0).all()
    assert "pass_on.1" in found.sentence()
    logs = first.log()
    answer = np.take_along_axis(logs.numpy(), reference.argmax(-1)[..., None].numpy(), axis=-1)
    np.testing.assert_array_equal(found.rank[0], (logs.numpy() > answer).sum(-1))


def test_a_layer_that_says_nothing_does_not_agree():
    model, ids = Residual(False), torch.randint(7, (3, 4))
    model.embed.weight.data.zero_()
    model.unembed.bias.data.zero_()
    assert (logit_lens(model, ids, layers="embed").rank == 6).all()


def test_lens_says_what_is_wrong():
    model, ids = Residual(True), torch.randint(7, (3, 4))
    with pytest.raises(InputError, match="reads \\(rows, positions, 5\\)"):
        logit_lens(model, ids, layers="unembed")
    with pytest.raises(InputError, match="no linear layer 'head'"):
        logit_lens(model, ids, layers="embed", unembedding="head")
    with pytest.raises(InputError, match="logits of shape"):
        logit_lens(nn.Sequential(nn.Linear(3, 3)), torch.randn(2, 3), layers="0")


def test_a_picture_for_a_template_is_the_template():
    """The best picture of a filter, under a bound on its pixels, is the filter's sign."""
    template = torch.zeros(1, 1, 8, 8)
    template[..., :4], template[..., 4:] = 1.0, -1.0
    model = nn.Sequential(nn.Conv2d(1, 1, 8, bias=False), nn.ReLU(inplace=True))
    model[0].weight.data = template
    found = visualize(model, layer="0", units=[0], shape=(1, 8, 8), low=-1, high=1, n_steps=60)
    assert np.corrcoef(found.images[0, 0].ravel(), template.ravel())[0, 1] > 0.8
    assert found.activation[0] > 10 * abs(found.random[0])
    assert found.images.min() >= -1
    assert found.images.max() <= 1


def test_visualize_says_what_is_wrong():
    model = nn.Sequential(nn.Conv2d(1, 2, 3))
    with pytest.raises(InputError, match="units must lie between 0 and 1"):
        visualize(model, layer="0", units=[2], shape=(1, 8, 8))
    with pytest.raises(InputError, match="at least one unit"):
        visualize(model, layer="0", units=[], shape=(1, 8, 8))
