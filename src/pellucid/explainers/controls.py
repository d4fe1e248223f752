"""Control variates of LIME: the part of the outputs whose coefficients are known in closed form is not sampled.

Most of what a linear surrogate leaves unexplained is curvature of a score that adds up over features: a link function,
a bounded output. Powers of such a score have moments in closed form, for the features' joint distribution is known. So
they are fitted to the sample, taken out of the outputs, and what they contribute to each coefficient is put in their
place (Owen, 2013, Monte Carlo theory, methods and examples, section 8.9). The estimand stays what it was; the noise is
that of the rest.
"""

from dataclasses import dataclass

import numpy as np

from pellucid._base.typing import Array, Float1, Float2, Float3, Int1

SAMPLES_PER_BIN = 16
"""Samples for every bin of every column below which nothing is fitted to bins: the fit itself would be noise."""


@dataclass(frozen=True, eq=False)
class BinControl:
    """A score that adds up over the bins of independent columns, and its square.

    Parameters
    ----------
    share : float64 array of shape (columns, bins)
        Chance of each bin.
    effect : float64 array of shape (outputs, columns, bins)
        What a bin adds to the score, with mean 0 over each column.
    slopes : float64 array of shape (outputs, 2)
        Of the score and of its square.
    taken : float64 array of shape (samples, outputs)
        What is taken out of the outputs.
    """

    share: Float2
    effect: Float3
    slopes: Float2
    taken: Float2

    @classmethod
    def fit(cls, bins: Array, share: Float2, outputs: Float2) -> "BinControl":
        """Fit to sampled bins (columns, samples) and the outputs (samples, outputs) of the sample."""
        scale = float(2.0 ** np.frexp(np.abs(outputs).max(initial=0.0))[1])
        y = (outputs / scale - outputs[0] / scale).T
        y = y - y.mean(axis=1, keepdims=True)
        effect, score = np.zeros((len(y), *share.shape)), np.zeros_like(y)
        for j, column in enumerate(bins):
            count = np.maximum(np.bincount(column, minlength=share.shape[1]), 1)
            for k, one in enumerate(y):
                mean = np.bincount(column, weights=one, minlength=share.shape[1]) / count
                effect[k, j] = mean - (share[j] * mean).sum()
                score[k] += effect[k, j].take(column)
        powers = np.stack([score, score**2], axis=1)
        slopes = slopes_of(powers - powers.mean(axis=2, keepdims=True), y, np.ones(y.shape[1]))
        return cls(share, effect, slopes * scale, scale * (slopes[:, :, None] * powers).sum(axis=1).T)

    def differences(self, own: Int1, fall: float) -> Float2:
        """What being in the row's bins adds to the weighted mean of what was taken out, of shape (columns, outputs).

        Given that a column is in the bin or not, the score's mean is that column's part and the weighted means of all
        others, and its variance likewise.

        Parameters
        ----------
        own : int64 array of shape (columns,)
            The row's bins; -1 for one that no sample is in.
        fall : float
            What a column in another bin multiplies the weight with.
        """
        column = np.arange(len(own))
        chance = np.where(own < 0, 0.0, self.share[column, own])
        other = np.where(chance < 1.0, 1.0 - chance, 1.0)
        inside = np.where(own < 0, 0.0, self.effect[:, column, own])
        outside = -chance * inside / other
        square = ((self.share * self.effect**2).sum(axis=2) - chance * inside**2) / other
        weighted = chance / (chance + (1.0 - chance) * fall)
        mean = weighted * inside + (1.0 - weighted) * outside
        rest = mean.sum(axis=1, keepdims=True) - mean
        # the others' variance is the same on both sides; within its own bin a column has none
        curved = (rest + inside) ** 2 - (rest + outside) ** 2 - (square - outside**2)
        return np.asarray((self.slopes[:, :1] * (inside - outside) + self.slopes[:, 1:] * curved).T)


def powers_of(coefficients: Float2, together: Float1) -> Float3:
    """Covariances of exchangeable parts with the square and the cube of scores that add up over them.

    Parameters
    ----------
    coefficients : float64 array of shape (parts, outputs)
        What each part adds to each score.
    together : float64 array of shape (4,)
        Chances that one, two, three and four given parts are shown.

    Returns
    -------
    float64 array of shape (2, parts, outputs)
    """
    one, two, three, four = together
    first, second, third = (np.sum(coefficients**power, axis=0) for power in (1, 2, 3))
    b = coefficients
    # sums over one, two and three different other parts
    a1, a2, a3 = first - b, second - b**2, third - b**3
    alone = two * a1
    square = two * a2 + three * (a1**2 - a2)
    cube = two * a3 + 3 * three * (a2 * a1 - a3) + four * (a1**3 - 3 * a1 * a2 + 2 * a3)
    mean_square = one * second + two * (first**2 - second)
    mean_cube = one * third + 3 * two * (first * second - third) + three * (first**3 - 3 * first * second + 2 * third)
    return np.stack([
        one * b**2 + 2 * b * alone + square - one * mean_square,
        one * b**3 + 3 * b**2 * alone + 3 * b * square + cube - one * mean_cube,
    ])  # fmt: skip


def slopes_of(powers: Float3, y: Float2, weight: Float1) -> Float2:
    """Weighted least squares of each output (outputs, samples) on its own powers (outputs, powers, samples)."""
    size = np.sqrt((weight * powers**2).sum(axis=2, keepdims=True))
    unit = np.divide(powers, size, out=np.zeros_like(powers), where=size > 0)
    gram = (weight * unit[:, :, None] * unit[:, None]).sum(axis=3)
    along = (weight * unit * y[:, None]).sum(axis=2)
    found = (np.linalg.pinv(gram, rcond=1e-9, hermitian=True) * along[:, None]).sum(axis=2)
    return np.asarray(np.divide(found, size[:, :, 0], out=np.zeros_like(found), where=size[:, :, 0] > 0))
