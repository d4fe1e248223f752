"""The local linear surrogate of LIME: weighted ridge regression with its own error."""

from dataclasses import dataclass, replace

import numpy as np

from pellucid._base.typing import Bool1, Bool2, Float1, Float2
from pellucid.explainers.controls import powers_of, slopes_of
from pellucid.explainers.products import solve, times

RIDGE = 1.0
"""lime's penalty."""
CAST_AT_ONCE = 1 << 19
"""Cells of an encoding that is made float64 once for all products; that of a larger one costs memory."""


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A local linear model: coefficients and errors (features, outputs), the rest (outputs,)."""

    coefficients: Float2
    intercept: Float1
    std_error: Float2
    r2: Float1
    top_stability: Float1

    def without_error(self) -> "Surrogate":
        """The same coefficients, of all samples that there are."""
        return replace(self, std_error=np.zeros_like(self.std_error), top_stability=np.ones_like(self.top_stability))


@dataclass(frozen=True, eq=False)
class _Moments:
    """Weighted moments of the encoding (features, samples) and of what is fitted to it.

    Outputs are counted from the first, so that a constant model leaves exactly nothing to explain, and by `scale`, a
    power of two, which changes no digit and keeps squares of very large outputs finite. `rest` is what a control
    variate leaves of them, and what is fitted.
    """

    z: Bool2 | Float2
    weight: Float1
    first: Float1
    scale: float
    y: Float2
    y_mean: Float1
    mean: Float1
    rest: Float2
    cross: Float2

    @classmethod
    def of(cls, z: Bool2 | Float2, outputs: Float2, weight: Float1, taken: Float2 | None = None) -> "_Moments":
        """Take the means out of `outputs` (samples, outputs), and the products of what is left with the encoding."""
        scale = float(2.0 ** np.frexp(np.abs(outputs).max(initial=0.0))[1])
        y = (outputs / scale - outputs[0] / scale).T
        y_mean = _mean(y, weight)
        y = y - y_mean[:, None]
        rest = y if taken is None else _centred(y - taken.T / scale, weight)
        sums = times(z, np.concatenate([weight[None], rest * weight]).T)
        return cls(z, weight, outputs[0], scale, y, y_mean, sums[:, 0] / weight.sum(), rest, sums[:, 1:])

    def less(self, taken: Float2) -> "_Moments":
        """Leave out (outputs, samples), in the units of `y`."""
        rest = _centred(self.y - taken, self.weight)
        return replace(self, rest=rest, cross=times(self.z, (rest * self.weight).T))

    def unexplained(self, sampled: Float2, coefficients: Float2) -> tuple[Float2, Float2]:
        """What the sampled part of the coefficients leaves of `rest`, and all of it of `y`: (outputs, samples)."""
        both = np.concatenate([sampled, coefficients], axis=1)  # in one product
        fitted = times(both.T, self.z) - (self.mean[:, None] * both).sum(axis=0)[:, None]
        return self.rest - fitted[: len(self.rest)], self.y - fitted[len(self.rest) :]

    def surrogate(
        self,
        coefficients: Float2,
        gap: Float2,
        std_error: Float2,
        *,
        moves: Bool1,
        top_k: int,
        draws: Float2,
    ) -> Surrogate:
        """Put the answer back into the outputs' own units."""
        variance, unexplained = (np.einsum("i,ki->k", self.weight, part**2) for part in (self.y, gap))
        shift = (self.mean[:, None] * coefficients).sum(axis=0)
        pairs = zip(coefficients[moves].T, std_error[moves].T, strict=True)
        return Surrogate(
            coefficients=coefficients * self.scale,
            intercept=self.first + self.scale * (self.y_mean - shift),
            std_error=std_error * self.scale,
            r2=1.0 - np.divide(unexplained, variance, out=np.zeros(len(variance)), where=variance > 0),
            top_stability=np.array([_top_stability(b, error, top_k, draws[:, moves]) for b, error in pairs]),
        )


def _mean(y: Float2, weight: Float1) -> Float1:
    return np.asarray(np.einsum("ki,i->k", y, weight / weight.sum()))


def _centred(y: Float2, weight: Float1) -> Float2:
    return np.asarray(y - _mean(y, weight)[:, None])


def fit_independent(
    same: Bool2,
    outputs: Float2,
    weight: Float1,
    *,
    known: tuple[Float2, Float2] | None = None,
    top_k: int,
    draws: Float2,
) -> Surrogate:
    """Fit a weighted ridge regression on features that were sampled independently of each other.

    lime minimises ``Σ w (y - a - z·b)² + |b|²`` with a free intercept. Where features are independent and the weight
    is a product over features, as lime's is, their weighted covariances are 0 but for noise of the sample. So they are
    left out: each coefficient is what being in the bin adds to the weighted mean, shrunk by the penalty. Features that
    never change get exactly 0. Errors are the sandwich estimate.

    Parameters
    ----------
    same : bool array of shape (features, samples)
        Whether a sampled cell is in the same bin as the explained row's.
    outputs : array of shape (samples, outputs)
    weight : array of shape (samples,)
    known : pair of arrays (samples, outputs) and (features, outputs), optional
        What a control variate takes out of the outputs, and what being in the bin adds to its weighted mean.
    top_k : int
        Size of the set of largest coefficients whose stability is measured.
    draws : array of shape (draws, features)
        Standard normal numbers for that measure.
    """
    taken, known_differences = known or (None, np.zeros((len(same), outputs.shape[1])))
    (d, n), z = same.shape, same.astype(np.float64) if same.size <= CAST_AT_ONCE else same
    found = _Moments.of(z, outputs, weight, taken)
    moves: Bool1 = np.asarray(same.any(axis=1) & ~same.all(axis=1))
    mean = found.mean[:, None]
    spread = weight.sum() * mean * (1.0 - mean)
    sampled = np.where(moves[:, None], found.cross / (spread + RIDGE), 0.0)
    certain = np.where(moves[:, None], spread * known_differences / found.scale / (spread + RIDGE), 0.0)
    rest, gap = found.unexplained(sampled, sampled + certain)
    square = (weight * rest) ** 2
    noise = times(z, square.T) * (1.0 - 2.0 * mean) + mean**2 * square.sum(axis=1)
    std_error = np.where(moves[:, None], np.sqrt(_freedom(d, n) * noise.clip(min=0.0)) / (spread + RIDGE), 0.0)
    return found.surrogate(sampled + certain, gap, std_error, moves=moves, top_k=top_k, draws=draws)


def fit_exchangeable(
    shown: Bool2,
    cross: Float2,
    outputs: Float2,
    weight: Float1,
    *,
    together: Float1 | None = None,
    top_k: int,
    draws: Float2,
) -> Surrogate:
    """Fit the same regression on parts of which each is shown as often as any other, alone and with any other.

    Their covariances do not vanish, and are solved for. The errors are the sandwich estimate with the covariances that
    such parts have over all samples: one variance, one covariance.

    Parameters
    ----------
    shown : bool array of shape (parts, samples)
    cross : array of shape (parts, parts)
        Weighted sums of products of the parts about their means (`covariances`).
    together : array of shape (4,), optional
        Weighted chances that one, two, three and four given parts are shown: with them the square and the cube of the
        first fit are control variates of a second.
    outputs, weight, top_k, draws
        As in `fit_independent`.
    """
    (d, n), found = shown.shape, _Moments.of(shown, outputs, weight)
    diagonal = np.diag(cross)
    moves: Bool1 = np.asarray(diagonal > 0)
    penalised = np.where(moves[:, None] & moves, cross, 0.0) + RIDGE * np.eye(d)
    sampled = np.where(moves[:, None], solve(penalised, found.cross), 0.0)
    certain = np.zeros_like(sampled)
    if together is not None and moves.all():
        taken, certain = _curvature(found, sampled, together)
        found = found.less(taken)
        sampled = solve(penalised, found.cross)
    both = (cross.sum() - diagonal.sum()) / max(1, d * (d - 1))
    own = diagonal.mean() - both + RIDGE
    size = found.z.sum(axis=0)
    centre = found.mean.mean() + both * (size - d * found.mean.mean()) / (own + d * both)
    rest, gap = found.unexplained(sampled, sampled + certain)
    square = (weight * rest) ** 2
    spread = times(shown, (square * (1.0 - 2.0 * centre)).T) + (square * centre**2).sum(axis=1)
    error = _freedom(d, n) * np.sqrt(spread.clip(min=0.0)) / own
    std_error = np.where(moves[:, None], error, 0.0)
    return found.surrogate(sampled + certain, gap, std_error, moves=moves, top_k=top_k, draws=draws)


def _curvature(found: _Moments, coefficients: Float2, together: Float1) -> tuple[Float2, Float2]:
    """What powers of a score take out of the outputs (outputs, samples), and the coefficients that belong to it."""
    (d, n), (one, two, *_) = found.z.shape, together
    score = times(coefficients.T, found.z)
    powers = np.stack([score**2, score**3], axis=1)
    # the ridge regression of the powers on all coalitions: of covariances that are all alike
    total = found.weight.sum()
    own, both = total * (one - two) + RIDGE, total * (two - one**2)
    right = total * powers_of(coefficients, together)
    known = (right - both * right.sum(axis=1, keepdims=True) / (own + d * both)) / own
    flat = np.moveaxis(known, 2, 0).reshape(-1, d)
    linear = times(flat, found.z).reshape(powers.shape)
    curved = _centred((powers - linear).reshape(-1, n), found.weight).reshape(powers.shape)
    slopes = slopes_of(curved, _centred(found.y - score, found.weight), found.weight)
    return (slopes[:, :, None] * powers).sum(axis=1), np.einsum("kp,pjk->jk", slopes, known)


def covariances(shown: Bool2, weight: Float1) -> Float2:
    """Weighted sums of products of parts (parts, samples) about their means."""
    lines = np.concatenate([shown, np.ones((1, shown.shape[1]))]) * np.sqrt(weight)
    product = times(lines, lines.T)
    return np.asarray(product[:-1, :-1] - np.outer(product[-1, :-1], product[-1, :-1]) / product[-1, -1])


def _freedom(d: int, n: int) -> float:
    """What the residuals of a fit of d coefficients to n samples are too small by."""
    return n / max(n - d - 1, 1)


def _top_stability(coefficients: Float1, error: Float1, top_k: int, draws: Float2) -> float:
    """Probability that a fresh sample has the same set of `top_k` largest, by normal draws, errors independent."""
    if top_k >= len(coefficients):
        return 1.0
    fresh = np.abs(coefficients + draws * error)
    order = np.argsort(-np.abs(coefficients), kind="stable")
    return float((fresh[:, order[:top_k]].min(axis=1) >= fresh[:, order[top_k:]].max(axis=1)).mean())
