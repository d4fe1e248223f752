"""The nested design of coalition pairs and its weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.explainers.coalitions import pair_design, pairs_of_size


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 14), st.integers(1, 400), st.integers(0, 50))
def test_the_design_has_distinct_pairs_and_is_nested(n, pairs, seed):
    pairs = min(pairs, 2 ** (n - 1) - 1)
    design = pair_design(n, pairs, seed)
    whole = {row.tobytes() for row in design.shown} | {row.tobytes() for row in ~design.shown}
    assert len(whole) == 2 * pairs
    assert np.all((design.size >= 1) & (2 * design.size <= n))
    # A beginning beyond the single players has its share of every other size.
    rest = design.size[min(n, pairs) :]
    for k in np.unique(rest[rest > 1]):
        assert abs(np.sum(rest[: len(rest) // 2] == k) - np.sum(rest == k) / 2) <= 1.5


def test_sizes_too_large_to_list_are_drawn_without_repetition():
    design = pair_design(17, 12_000, 0)
    assert pairs_of_size(17, 8) > 1 << 14
    assert len({row.tobytes() for row in design.shown}) == 12_000


@pytest.mark.parametrize("n", [2, 3, 6, 9])
def test_the_weights_of_the_whole_design_are_the_shapley_kernel(n):
    pairs = 2 ** (n - 1) - 1
    design = pair_design(n, pairs, 0)
    weight, unknown = design.weights(pairs)
    kernel = np.array([1.0 / (pairs_of_size(n, k) * k * (n - k)) for k in design.size])
    kernel[2 * design.size == n] /= 2
    np.testing.assert_allclose(weight, kernel)
    np.testing.assert_array_equal(unknown, 0.0)


def test_designs_for_very_many_players_have_every_size():
    design = pair_design(1500, 4000, 0)
    assert np.unique(design.size).tolist() == list(range(1, 751))
    weight, unknown = design.weights(4000)
    assert np.all(weight > 0)
    assert np.all(unknown[design.size > 1] > 0.99)
