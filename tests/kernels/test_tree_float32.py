"""float32 on request: labelled, with a bound that holds and says what it costs."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor

import pellucid
from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._kernels import trees as kernels
from pellucid._kernels.trees import Index, PathDependent
from pellucid.testing.oracles import exact_path_dependent, relative_error
from pellucid.testing.strategies import random_subject

EPSILON = float(np.finfo(np.float32).eps)


@pytest.mark.parametrize("instructions", kernels.instruction_sets())
@pytest.mark.parametrize("seed", range(40))
def test_values_are_within_a_few_float32_roundings_of_exact_rationals(instructions: str, seed: int) -> None:
    s = random_subject(seed, max_depth=8, max_features=9)
    game = PathDependent(s.trees, s.groups, s.n_features, dtype="float32", instructions=instructions)
    errors = []
    for rows in (s.rows, np.tile(s.rows, (40, 1))):
        for row, values in zip(s.rows, game.values(rows), strict=False):
            exact = exact_path_dependent(s.trees, s.groups, s.n_features, row)
            errors.append(relative_error(s.trees, values, game.base, exact))
    assert max(errors) <= 4 * EPSILON


@pytest.mark.parametrize("instructions", kernels.instruction_sets())
@pytest.mark.parametrize("index", [Index(), Index(banzhaf=True), Index(3, 1)], ids=["SV", "BV", "beta"])
def test_float32_is_float64_but_for_rounding_and_really_float32(instructions: str, index: Index) -> None:
    different = 0
    for seed in range(15):
        s = random_subject(seed, max_depth=20, max_features=25, n_rows=70)
        options = {"index": index, "instructions": instructions}
        wide = PathDependent(s.trees, s.groups, s.n_features, **options)
        narrow = PathDependent(s.trees, s.groups, s.n_features, dtype="float32", **options)
        scale = 1 + s.trees.leaf_sizes().sum()
        assert np.abs(wide.values(s.rows) - narrow.values(s.rows)).max() <= 16 * EPSILON * scale
        assert np.abs(wide.interactions(s.rows)[0] - narrow.interactions(s.rows)[0]).max() <= 64 * EPSILON * scale
        different += not np.array_equal(wide.values(s.rows), narrow.values(s.rows))
    assert different > 10


@pytest.mark.parametrize("instructions", kernels.instruction_sets())
def test_bits_are_the_same_for_any_batch_and_threads(instructions: str) -> None:
    for seed in range(15):
        s = random_subject(seed, max_depth=9, max_features=9, n_rows=150)
        game = PathDependent(s.trees, s.groups, s.n_features, dtype="float32", instructions=instructions)
        whole, pairs = game.values(s.rows), game.interactions(s.rows)[0]
        assert game.values(s.rows, n_jobs=3).tobytes() == whole.tobytes()
        for part in [slice(17, 18), slice(3, 5), slice(3, 70), slice(64, 129)]:
            assert game.values(s.rows[part].copy(), n_jobs=2).tobytes() == whole[part].tobytes()
            assert game.interactions(s.rows[part].copy())[0].tobytes() == pairs[part].tobytes()


def test_a_row_is_routed_in_float64() -> None:
    """A value between a threshold and its float32 goes the way the model sends it."""
    s = random_subject(0, max_depth=1, max_features=1)
    split = float(s.trees.threshold[s.trees.roots[0]])
    for x in (split, np.nextafter(split, np.inf), np.nextafter(split, -np.inf)):
        rows = np.full((1, s.trees.n_columns), x)
        narrow = PathDependent(s.trees, s.groups, s.n_features, dtype="float32")
        gap = narrow.base + narrow.values(rows).sum(axis=1) - s.trees.predict(rows)
        assert np.abs(gap).max() <= 4 * EPSILON * (1 + s.trees.leaf_sizes().sum())


def test_the_explanation_says_so_and_its_bound_holds() -> None:
    X, y = load_diabetes(return_X_y=True)
    model = RandomForestRegressor(20, random_state=0).fit(X, y)
    exact = pellucid.explain(model, X[:50], method="tree")
    found = pellucid.explain(model, X[:50], method=pellucid.Tree(dtype="float32"))
    assert found.provenance.parameters["dtype"] == "float32"
    assert "float32" in found.provenance.reason
    assert exact.quality.bound < 1e-8 < found.quality.residual <= found.quality.bound
    assert np.abs(found.values - exact.values).max() <= found.quality.bound


def test_what_float32_refuses() -> None:
    X, y = load_diabetes(return_X_y=True)
    model = RandomForestRegressor(3, random_state=0).fit(X, y)
    with pytest.raises(InputError, match="dtype must be 'float64' or 'float32'; got 'float16'"):
        pellucid.explain(model, X, method=pellucid.Tree(dtype="float16"))
    with pytest.raises(UnsupportedRequestError, match="leave out background="):
        pellucid.explain(model, X, background=X, method=pellucid.Tree(dtype="float32"))
