import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid._base.errors import InputError
from pellucid.nn.similarity import cka, layer_similarity, project


def hsic(K, L):
    """Song et al. (2012), eq. 5, term by term."""
    n = len(K)
    K, L = K - np.diag(np.diag(K)), L - np.diag(np.diag(L))
    one = np.ones(n)
    middle = (one @ K @ one) * (one @ L @ one) / ((n - 1) * (n - 2))
    return (np.trace(K @ L) + middle - 2 / (n - 2) * (one @ K @ L @ one)) / (n * (n - 3))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 12), st.integers(1, 6), st.integers(1, 6))
def test_cka_is_the_ratio_of_unbiased_hsic(seed, n, p, q):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, p)), rng.normal(size=(n, q)) + rng.normal(size=(n, 1))
    K, L = x @ x.T, y @ y.T
    wanted = hsic(K, L) / np.sqrt(hsic(K, K) * hsic(L, L))
    assert cka(x, torch.from_numpy(y)) == pytest.approx(wanted, abs=1e-8)


def test_wide_unrelated_layers_are_not_alike():
    rng = np.random.default_rng(0)
    values = [cka(rng.normal(size=(20, 400)), rng.normal(size=(20, 400))) for _ in range(60)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(60)


def test_similarity_knows_no_rotation_scale_or_shift():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(15, 4))
    turned = 7 * x @ np.linalg.qr(rng.normal(size=(4, 4)))[0] + 3
    found = layer_similarity({"x": x, "turned": turned, "maps": x.reshape(15, 2, 2)})
    np.testing.assert_allclose(found.values, 1.0, atol=1e-9)
    assert found.to_frame().columns.tolist() == ["x", "turned", "maps"]


def test_projection_keeps_distances_of_a_plane():
    rng = np.random.default_rng(2)
    plane = rng.normal(size=(9, 2)) @ rng.normal(size=(2, 6))
    found = project(plane)
    gaps = np.linalg.norm(plane[:, None] - plane, axis=2)
    np.testing.assert_allclose(np.linalg.norm(found.coordinates[:, None] - found.coordinates, axis=2), gaps, atol=1e-9)
    assert found.explained.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (np.ones((5, 2)), np.eye(5), "equally far apart"),
        (np.eye(3), np.eye(3), "at least 4 rows"),
        (np.arange(5.0)[:, None] ** 2, np.eye(6), "6 rows"),
        (np.full((5, 2), np.nan), np.eye(5), "finite"),
        (np.zeros((0, 2)), np.eye(5), "empty"),
        (np.arange(5.0), np.eye(5), "shape"),
    ],
)
def test_bad_input_is_named(first, second, said):
    with pytest.raises(InputError, match=said):
        cka(first, second)
