"""Sparse autoencoders of a layer, with the random dictionary they must beat beside them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pellucid._base.errors import InputError
from pellucid._base.numbers import percent
from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Float1, Float2
from pellucid.nn._matrices import as_matrix

if TYPE_CHECKING:
    import pandas as pd

BATCH = 256
HELD_OUT = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class SparseDictionary:
    """A top-k sparse autoencoder of one layer. Arrays are read-only.

    Activations are written as ``bias + latents @ decoder`` with at most `k` latents above zero in a row.

    Parameters
    ----------
    encoder : float64 array of shape (latents, features)
    encoder_bias : float64 array of shape (latents,)
    decoder : float64 array of shape (latents, features)
        Directions of unit length.
    bias : float64 array of shape (features,)
    k : int
        Latents that may be active in a row.
    explained, explained_random : float
        Share of the variance of held-out rows that is rebuilt: by this dictionary, and by one whose directions are
        random and frozen while its encoder is trained in the same way.
    frequency : float64 array of shape (latents,)
        Share of held-out rows in which a latent is active; 0 is a dead one.
    """

    encoder: Float2
    encoder_bias: Float1
    decoder: Float2
    bias: Float1
    k: int
    explained: float
    explained_random: float
    frequency: Float1

    def __post_init__(self) -> None:
        for name in ("encoder", "encoder_bias", "decoder", "bias", "frequency"):
            getattr(self, name).flags.writeable = False

    def encode(self, activations: Any) -> Float2:
        """Latents of shape (rows, latents): the `k` largest of each row, where above zero, and 0 elsewhere."""
        matrix = self._rows(activations, self.bias, "features")
        latents = (matrix - self.bias) @ self.encoder.T + self.encoder_bias
        smallest = np.partition(latents, -self.k, axis=1)[:, -self.k, None]
        return np.where(latents >= smallest, latents.clip(0), 0.0)

    def decode(self, latents: Any) -> Float2:
        """Activations of shape (rows, features) that the latents stand for."""
        return np.asarray(self._rows(latents, self.frequency, "latents") @ self.decoder + self.bias)

    def to_frame(self) -> "pd.DataFrame":
        """One row per latent: how often it is active, and its closest other latent (cosine)."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        cosine = self.decoder @ self.decoder.T - 2 * np.eye(len(self.decoder))
        return pd.DataFrame(
            {"latent": np.arange(len(cosine)), "frequency": self.frequency, "closest_cosine": cosine.max(axis=1)}
        )

    def sentence(self) -> str:
        """Say how much is rebuilt, and what random directions rebuild."""
        dead = int((self.frequency == 0).sum())
        return (
            f"{len(self.decoder)} latents, {self.k} active at a time, rebuild {percent(max(self.explained, 0.0))} of "
            f"the variance of held-out rows; random directions rebuild {percent(max(self.explained_random, 0.0))}. "
            f"{dead} latents are never active."
        )

    @staticmethod
    def _rows(values: Any, like: Float1, what: str) -> Float2:
        matrix = as_matrix(values, what)
        if matrix.shape[1] != len(like):
            raise InputError(f"expected {len(like)} {what} in a row; got {matrix.shape[1]}.")
        return matrix


def sparse_autoencoder(
    activations: Any,
    *,
    n_latents: int,
    k: int,
    n_steps: int = 2000,
    learning_rate: float = 1e-2,
    random_state: int = 0,
) -> SparseDictionary:
    """Train a top-k sparse autoencoder on one layer's activations, and its random-decoder baseline beside it.

    Makhzani and Frey (2013); Gao et al. (2024): the loss is the squared error alone, because k latents per row is the
    sparsity. Decoder rows are kept at unit length and start as the encoder's; latents that have not been active for a
    while restart on the rows that are rebuilt worst. Trained dictionaries often beat random ones by little (arXiv
    2602.14111), so the share of variance that a frozen random decoder reaches is measured in the same way and always
    reported.

    Parameters
    ----------
    activations : tensor or array of shape (rows, …)
        At least 20 rows; a tenth is held out.
    n_latents : int
    k : int
        Latents that may be active in a row, at most `n_latents`.
    n_steps : int
        Steps of Adam on batches of 256 rows, with the learning rate falling to zero.
    learning_rate : float
    random_state : int

    Returns
    -------
    SparseDictionary

    Raises
    ------
    InputError
        When there are fewer than 20 rows, `k` or `n_latents` is out of range, or the rows never change.

    Examples
    --------
    >>> import numpy as np
    >>> from pellucid.nn.dictionary import sparse_autoencoder
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.random((400, 3)) @ np.eye(3, 8)
    >>> found = sparse_autoencoder(rows, n_latents=8, k=3, n_steps=50)
    >>> found.encode(rows).shape, bool((found.encode(rows) > 0).sum(axis=1).max() <= 3)
    ((400, 8), True)
    """
    matrix = as_matrix(activations, "activations")
    if len(matrix) < 20:
        raise InputError(f"a sparse autoencoder needs at least 20 rows; got {len(matrix)}.")
    if n_latents < 1 or not 1 <= k <= n_latents:
        raise InputError(f"k must lie between 1 and n_latents; got k={k!r} and n_latents={n_latents!r}.")
    if n_steps < 1 or not learning_rate > 0:
        raise InputError(f"n_steps and learning_rate must be above 0; got {n_steps!r} and {learning_rate!r}.")
    order = stream(random_state, "nn.sparse_autoencoder.split").permutation(len(matrix))
    n_out = max(2, round(HELD_OUT * len(matrix)))
    rows, held_out = matrix[order[n_out:]], matrix[order[:n_out]]
    mean, scale = rows.mean(axis=0), float(np.sqrt(rows.var(axis=0).sum()))
    if not scale > 0 or not held_out.var(axis=0).any():
        raise InputError("the rows are all the same, so there is nothing to take apart.")
    with torch.inference_mode(False):
        X, fresh = (torch.from_numpy((part - mean) / scale).float() for part in (rows, held_out))
        trained, random = (
            _train(X, n_latents, frozen, k=k, n_steps=n_steps, learning_rate=learning_rate, random_state=random_state)
            for frozen in (False, True)
        )
        explained, frequency = _explained(fresh, trained, k)
        explained_random, _ = _explained(fresh, random, k)
    encoder, shift, decoder, centre = (part.double().numpy() for part in trained)
    return SparseDictionary(
        encoder=encoder.copy(),
        encoder_bias=shift * scale,
        decoder=decoder.copy(),
        bias=mean + centre * scale,
        k=k,
        explained=explained,
        explained_random=explained_random,
        frequency=frequency,
    )


Weights = tuple[Tensor, Tensor, Tensor, Tensor]
"""Encoder, its bias, decoder, bias of the activations."""


def _latents(X: Tensor, weights: Weights, k: int) -> tuple[Tensor, Tensor]:
    """The k largest latents of each row and their numbers."""
    encoder, shift, _, centre = weights
    values, at = ((X - centre) @ encoder.T + shift).topk(k, dim=1)
    return values.clamp(min=0), at


def _rebuilt(X: Tensor, weights: Weights, k: int) -> tuple[Tensor, Tensor, Tensor]:
    values, at = _latents(X, weights, k)
    latents = X.new_zeros(len(X), len(weights[0])).scatter(1, at, values)
    return latents @ weights[2] + weights[3], values, at


def _train(
    X: Tensor, n_latents: int, frozen: bool, *, k: int, n_steps: int, learning_rate: float, random_state: int
) -> Weights:
    rng = stream(random_state, "nn.sparse_autoencoder.train")
    start = torch.from_numpy(rng.normal(size=(n_latents, X.shape[1]))).float()
    decoder = start / start.norm(dim=1, keepdim=True)
    weights = (decoder.clone(), X.new_zeros(n_latents), decoder, X.new_zeros(X.shape[1]))
    for weight in weights:
        weight.requires_grad_(not (frozen and weight is decoder))
    adam = torch.optim.Adam([w for w in weights if w.requires_grad], learning_rate)
    idle = X.new_zeros(n_latents, dtype=torch.long)
    patience = max(n_steps // 10, 20)
    for step in range(n_steps):
        adam.param_groups[0]["lr"] = learning_rate * (1 - step / n_steps)
        batch = X[torch.from_numpy(rng.integers(len(X), size=min(BATCH, len(X))))]
        with torch.enable_grad():
            rebuilt, values, at = _rebuilt(batch, weights, k)
            loss = (rebuilt - batch).square().sum(dim=1).mean()
            loss.backward()
        adam.step()
        adam.zero_grad()
        with torch.no_grad():
            idle += 1
            idle[at[values > 0]] = 0
            if not frozen:
                decoder /= decoder.norm(dim=1, keepdim=True).clamp(min=1e-8)
                if step < n_steps // 2:
                    _restart(weights, idle > patience, (batch - rebuilt).detach())
                    idle[idle > patience] = 0
    return tuple(weight.detach() for weight in weights)  # type: ignore[return-value]


def _restart(weights: Weights, idle: Tensor, residual: Tensor) -> None:
    """Point latents that are never active at the rows that are rebuilt worst."""
    count = min(int(idle.sum()), len(residual))
    if count == 0:
        return
    worst = residual[residual.norm(dim=1).topk(count).indices]
    at = idle.nonzero().flatten()[:count]
    directions = worst / worst.norm(dim=1, keepdim=True).clamp(min=1e-8)
    weights[0][at], weights[1][at], weights[2][at] = directions, 0.0, directions


@torch.no_grad()
def _explained(X: Tensor, weights: Weights, k: int) -> tuple[float, Array]:
    """Share of the variance rebuilt, and how often each latent is active."""
    rebuilt, values, at = _rebuilt(X, weights, k)
    left = (X - rebuilt).square().sum() / (X - X.mean(dim=0)).square().sum()
    active = X.new_zeros(len(X), len(weights[0])).scatter(1, at, (values > 0).float())
    return 1 - float(left), active.mean(dim=0).double().numpy()
