import numpy as np
import pytest
import torch

from pellucid._base.errors import InputError
from pellucid.nn.dictionary import sparse_autoencoder
from pellucid.testing.networks import toy_superposition


def recovered(found, truth):
    """Mean over true features of the largest cosine with a latent."""
    return (found.decoder @ truth.T).max(axis=0).mean()


def test_the_known_dictionary_is_found_and_beats_the_random_one():
    rows, truth = toy_superposition()
    before = torch.get_rng_state()
    found = sparse_autoencoder(rows, n_latents=24, k=3, n_steps=600)
    assert torch.equal(torch.get_rng_state(), before)
    assert recovered(found, truth) > 0.9
    random = np.random.default_rng(0).normal(size=truth.shape)
    assert ((random / np.linalg.norm(random, axis=1, keepdims=True)) @ truth.T).max(axis=0).mean() < 0.6
    assert found.explained > 0.85
    assert found.explained_random < found.explained - 0.2
    assert "random directions rebuild" in found.sentence()
    np.testing.assert_allclose(np.linalg.norm(found.decoder, axis=1), 1, atol=1e-5)


def test_on_noise_a_trained_dictionary_is_worth_little_more_than_a_random_one():
    noise = np.random.default_rng(0).normal(size=(1500, 12))
    found = sparse_autoencoder(noise, n_latents=24, k=3, n_steps=300)
    assert found.explained - found.explained_random < 0.15


def test_reported_numbers_are_those_of_encoding():
    rows, _ = toy_superposition(600)
    rows = 7 * rows + 3
    found = sparse_autoencoder(rows, n_latents=16, k=2, n_steps=100)
    latents = found.encode(rows)
    assert (latents >= 0).all()
    assert (latents > 0).sum(axis=1).max() <= 2
    assert ((latents > 0).mean(axis=0) - found.frequency)[found.frequency > 0.02].size > 0
    left = ((rows - found.decode(latents)) ** 2).sum() / ((rows - rows.mean(axis=0)) ** 2).sum()
    assert 1 - left == pytest.approx(found.explained, abs=0.1)
    assert len(found.to_frame()) == 16


def test_same_seed_same_dictionary():
    rows, _ = toy_superposition(100)
    first, second = (sparse_autoencoder(rows, n_latents=8, k=2, n_steps=30, random_state=4) for _ in range(2))
    np.testing.assert_array_equal(first.decoder, second.decoder)
    with torch.inference_mode():
        third = sparse_autoencoder(rows, n_latents=8, k=2, n_steps=30, random_state=4)
    np.testing.assert_array_equal(first.decoder, third.decoder)


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        (np.zeros((10, 3)), {}, "at least 20 rows"),
        (np.ones((30, 3)), {}, "all the same"),
        (np.eye(30), {"k": 9}, "k must lie"),
        (np.eye(30), {"n_steps": 0}, "above 0"),
    ],
)
def test_bad_input_is_named(rows, options, said):
    with pytest.raises(InputError, match=said):
        sparse_autoencoder(rows, **{"n_latents": 8, "k": 2} | options)
