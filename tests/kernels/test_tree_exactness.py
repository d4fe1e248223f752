"""The compiled kernels against exact rationals: random ensembles, both games, every corner at once."""

import numpy as np
import pytest

from pellucid._kernels import trees as kernels
from pellucid._kernels import twins
from pellucid.testing.oracles import exact_interventional, exact_path_dependent, relative_error
from pellucid.testing.strategies import random_subject

TOLERANCE = 1e-12
"""Of the sum of absolute leaves."""


@pytest.fixture(params=["tables", "walk"])
def way(request, monkeypatch) -> str:
    """Both ways to interventional values: leaves looked up, and all leaves walked to."""
    if request.param == "walk":
        monkeypatch.setattr(kernels, "TABLE_PLAYERS", 0)
    return request.param


def largest_errors(seed: int, max_depth: int, max_features: int) -> tuple[float, float]:
    """Errors of the path-dependent and the interventional values of one random subject."""
    s = random_subject(seed, max_depth=max_depth, max_features=max_features)
    game = (s.trees, s.groups, s.n_features)
    values, base = kernels.path_dependent(*game, s.rows)
    averaged = [
        relative_error(s.trees, v, base, exact_path_dependent(*game, x)) for v, x in zip(values, s.rows, strict=True)
    ]
    values, base = kernels.interventional(*game, s.rows, s.background)
    replaced = [
        relative_error(s.trees, v, base, exact_interventional(*game, x, s.background))
        for v, x in zip(values, s.rows, strict=True)
    ]
    return max(averaged), max(replaced)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize(("max_depth", "max_features"), [(3, 4), (7, 9)])
def test_random_ensembles_equal_exact_rationals(seed: int, max_depth: int, max_features: int) -> None:
    assert max(largest_errors(seed, max_depth, max_features)) <= TOLERANCE


@pytest.mark.heavy
@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("seed", range(1000, 1040))
@pytest.mark.parametrize(("max_depth", "max_features"), [(4, 4), (6, 8), (12, 12), (60, 6), (60, 40)])
def test_2000_random_ensembles_equal_exact_rationals(seed: int, max_depth: int, max_features: int) -> None:
    """Ten subjects a case: 2,000 ensembles of depth 1 to 60."""
    errors = [largest_errors(seed * 10 + i, max_depth, max_features) for i in range(10)]
    assert np.max(errors) <= TOLERANCE


def test_the_heavy_subjects_reach_what_they_claim() -> None:
    """Depth 60, more than twelve players on a path (the walk) and fewer (the tables), empty nodes, ties, NaN."""
    subjects = [
        random_subject(seed * 10 + i, max_depth=60, max_features=40) for seed in range(1000, 1010) for i in range(10)
    ]
    assert max(s.trees.depth for s in subjects) >= 58
    players = [twins.most_players(s.trees, s.groups, int(s.trees.roots[0])) for s in subjects]
    assert max(players) >= 25
    assert sum(count <= 12 for count in players) > 20
    assert any(np.isnan(s.rows).any() for s in subjects)
    assert any(s.trees.n_columns > s.n_features for s in subjects)
    inner = [s.trees.left[~s.trees.is_leaf] for s in subjects]
    right = [s.trees.right[~s.trees.is_leaf] for s in subjects]
    empty = [s.trees.cover[a] + s.trees.cover[b] == 0 for s, a, b in zip(subjects, inner, right, strict=True)]
    assert sum(map(np.sum, empty)) > 20
    assert any(np.isin(s.rows, s.trees.threshold).any() for s in subjects)
