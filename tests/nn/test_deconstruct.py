import numpy as np
import pytest
import torch
from torch import nn

from pellucid._base.errors import InputError
from pellucid.nn.deconstruction import deconstruct
from pellucid.testing.networks import InductionModel, completions, repeated_sequences, shapes_on_textures


def planted():
    """Unit 0 tells the class and is used, unit 1 tells it and is not used, unit 2 is dead, unit 3 repeats unit 0."""
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Linear(4, 2))
    model[0].weight.data = torch.tensor([[1.0, 0, 0], [0.9, 0.5, 0], [0, 0, 0], [2.0, 0, 0]])
    model[0].bias.data = torch.tensor([0.0, 0.0, -1.0, 0.0])
    model[2].weight.data, model[2].bias.data = torch.tensor([[-1.0, 0, 0, 0], [1.0, 0, 0, 0]]), torch.tensor([1.5, 0.0])
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=80)
    x = torch.from_numpy(rng.normal(size=(80, 3)) + 3 * (labels[:, None] - 0.5) * [1, 0, 0]).float()
    return model, x, np.array(["low", "high"])[labels]


def test_it_says_what_was_planted():
    model, x, labels = planted()
    found = deconstruct(model, x, labels=labels)
    table = found.to_frame().set_index(["layer", "number"])
    assert table.loc[("1", 0), "p_value"] < 0.01
    assert table.loc[("1", 0), "size"] == table["size"].max()
    assert table.loc[("1", 1), "size"] == 0
    assert table.loc[("1", 0), "responds_to"] == "high (20 of its 20 strongest rows)"
    assert table.loc[("1", 2), "responds_to"] == ""
    said = str(found)
    assert "1 unit 0 responds to high" in said
    assert "units are dead" in said
    assert "Pairs of units say the same: 1 in 0, 1 in 1." in said
    assert found.probes["1"].selectivity.low > 0
    assert found.summaries["1"].dead.tolist() == [False, False, True, False]
    assert (found.heads, found.attention) == (None, None)


def test_heads_are_named_by_what_they_do():
    model, (clean, _) = InductionModel(), repeated_sequences(20)
    found = deconstruct(model, clean, target=completions(clean), n_units=3)
    table = found.to_frame()
    heads = table[table["kind"] == "head"].set_index(["layer", "number"])
    assert "followed an earlier copy" in heads.loc[("layers.1", 1), "responds_to"]
    assert "position before" in heads.loc[("layers.0", 0), "responds_to"]
    assert set(heads["effect"].nlargest(2).index) == set(model.heads)


def test_concepts_are_dissected():
    shapes = shapes_on_textures(60)
    model = nn.Sequential(shapes.model, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(11, 3)).eval()
    found = deconstruct(model, shapes.images, layers="0.units", concepts=shapes.masks, n_units=5)
    assert found.dissections["0.units"].detectors == shapes.planted
    assert "lying bars" in str(found)


def test_labels_that_mean_nothing_are_not_found():
    model, x, _ = planted()
    rng = np.random.default_rng(1)
    found = [deconstruct(model, x, target=1, labels=rng.integers(3, size=80)).responses for _ in range(8)]
    assert sum(map(bool, found)) <= 1


def test_it_says_what_is_wrong():
    model, x, labels = planted()
    with pytest.raises(InputError, match="at least 10 rows"):
        deconstruct(model, x[:5], target=1)
    with pytest.raises(InputError, match="labels has 79 rows"):
        deconstruct(model, x, labels=labels[1:])
    with pytest.raises(InputError, match="there is no layer"):
        deconstruct(model, x, layers="relu")
