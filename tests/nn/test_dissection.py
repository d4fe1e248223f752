import itertools

import numpy as np
import pytest
import torch

from pellucid._base.errors import InputError
from pellucid.nn import dissection
from pellucid.nn._significance import holm
from pellucid.nn.activations import record
from pellucid.nn.dissection import dissect
from pellucid.testing.networks import shapes_on_textures


def test_planted_units_are_found_and_no_random_one():
    shapes = shapes_on_textures()
    found = dissect(record(shapes.model, shapes.images, layers="units")["units"], shapes.masks)
    assert found.detectors == shapes.planted
    assert found.alpha == 0.01
    assert found.to_frame()["detector"].sum() == 3
    assert found.sentence().startswith("3 of 11 units")


def test_iou_is_that_of_counting():
    rng = np.random.default_rng(0)
    maps, mask = rng.normal(size=(6, 2, 4, 4)), rng.random((6, 4, 4)) < 0.3
    found = dissect(maps, {"spot": mask}, share_on=0.1, n_permutations=10)
    for unit in range(2):
        on = maps[:, unit] > np.quantile(maps[:, unit], 0.9)
        assert found.iou[unit, 0] == pytest.approx((on & mask).sum() / (on | mask).sum())


def test_small_maps_are_scaled_to_the_masks():
    mask = np.zeros((8, 6, 6), dtype=bool)
    maps = np.zeros((8, 1, 3, 3))
    for row in range(8):
        y, x = divmod(row, 3)
        mask[row, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2] = True
        maps[row, 0, y, x] = 1.0
    assert dissect(maps, {"cell": mask}, share_on=0.12).iou[0, 0] > 0.3


def test_p_value_is_that_of_all_permutations(monkeypatch):
    monkeypatch.setattr(dissection, "ENOUGH", 2000)
    overlap = torch.from_numpy(np.random.default_rng(4).random((3, 5, 5)))
    found = dissection._permutation_p(overlap, 50_000, 0)
    for c in range(3):
        deals = np.array([float(overlap[c][range(5), deal].sum()) for deal in itertools.permutations(range(5))])
        exact = np.mean(deals >= float(overlap[c].diagonal().sum()) - 1e-12)
        assert found[c] == pytest.approx(exact, rel=0.1)


def test_stopping_early_changes_large_p_values_little(monkeypatch):
    overlap = torch.from_numpy(np.random.default_rng(7).random((40, 8, 8)))
    early = dissection._permutation_p(overlap, 20_000, 0)
    monkeypatch.setattr(dissection, "ENOUGH", 10**9)
    late = dissection._permutation_p(overlap, 5_000, 0)
    assert np.corrcoef(early, late)[0, 1] > 0.9
    assert (early > 0.5).sum() == pytest.approx((late > 0.5).sum(), abs=6)


def test_units_that_see_nothing_are_detectors_no_more_often_than_the_level():
    rng = np.random.default_rng(5)
    hits = 0
    for repeat in range(40):
        mask = np.zeros((20, 6, 6), dtype=bool)
        mask[np.arange(20)[:, None], rng.integers(2, 4, size=(20, 4)), rng.integers(2, 4, size=(20, 4))] = True
        maps = rng.random((20, 3, 6, 6))
        maps[:, :, 2:4, 2:4] += 1  # all like the middle, where the concept is too
        hits += bool(dissect(maps, {"middle": mask}, share_on=0.1, alpha=0.1, random_state=repeat).detectors)
    assert hits <= 9  # 40 draws at 0.1: P(more) < 0.02


def test_holm_is_the_textbook_procedure():
    p = np.random.default_rng(6).random(12) ** 3
    order = np.argsort(p)
    for level in (0.01, 0.05, 0.3):
        rejected = set()
        for step, i in enumerate(order):
            if p[i] > level / (12 - step):
                break
            rejected.add(int(i))
        assert set(np.flatnonzero(holm(p) <= level).tolist()) == rejected


@pytest.mark.parametrize(
    ("maps", "concepts", "said"),
    [
        (np.zeros((6, 2, 3)), {"a": np.eye(3, dtype=bool)}, "rows, units, height"),
        (np.zeros((4, 2, 3, 3)), {"a": np.ones((4, 3, 3))}, "at least 5"),
        (np.zeros((6, 2, 3, 3)), {"a": np.zeros((6, 3, 3))}, "nowhere"),
        (np.zeros((6, 2, 3, 3)), {"a": np.ones((6, 3, 3))}, "everywhere"),
        (np.zeros((6, 2, 3, 3)), {"a": np.eye(3)[None].repeat(5, 0)}, "5 rows"),
        (np.zeros((6, 2, 3, 3)), {}, "at least one"),
    ],
)
def test_bad_input_is_named(maps, concepts, said):
    with pytest.raises(InputError, match=said):
        dissect(maps, concepts)
