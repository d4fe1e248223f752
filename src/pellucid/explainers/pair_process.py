"""Order-2 Shapley interactions of a game that a Gaussian process has learnt from few coalitions.

The prior's covariance of the values of two coalitions, as signs s and t in {-1, 1}^n, is the product kernel
``prod_i (1 + r s_i t_i) / (1 + r)^n``: main effects have variances in proportion to r, pairs to r^2, and so on. With p
the chance that each player is shown, the interaction index of i and j is the integral of the multilinear extension's
derivative in i and j along the diagonal (Grabisch and Roubens, 1999), and the Shapley value that in i. Of the kernel,
with u = 2 p - 1 in [-1, 1], these are

    I_ij = 4 r^2 t_i t_j / 2 * integral of prod_{k not i, j} (1 + r t_k u) du
    phi_i = 2 r t_i / 2 * integral of prod_{k not i} (1 + r t_k u) du

both polynomials, exact by Gauss-Legendre quadrature. So the posterior has them in closed form, with their variances.
The reach r is chosen for every row and output by leave-one-out error.
"""

from dataclasses import dataclass

import numpy as np

from pellucid._base.typing import Array, Bool2, Float1, Float2, Float3
from pellucid.explainers.coalitions import pair_design
from pellucid.explainers.products import solve, times
from pellucid.games import RowGames

MOST = 1024
"""Coalitions beyond which the covariance matrix costs more than it saves."""
REACHES = (0.01, 0.03, 0.1, 0.2, 0.4)
NUGGET = 1e-8
"""Added to the covariance matrix's diagonal, which is 1."""


class PairProcess:
    """Coalitions for n players, the same for every row, and the posteriors that belong to them.

    Terms are the n Shapley values and the n (n - 1) / 2 interactions, in this order.
    """

    def __init__(self, n: int, budget: int, random_state: int) -> None:
        self._n = n
        half = pair_design(n, (budget - 2) // 2, random_state).shown
        ends = np.array([[False] * n, [True] * n])
        self._coalitions = np.concatenate([ends, half, ~half])
        self._known = [_Posterior.of(self._coalitions, reach) for reach in REACHES]

    def estimate(self, games: RowGames, row: int) -> tuple[Array, Array, int]:
        """Estimate one row: the matrix, its errors and the model rows spent."""
        values = games.values(row, self._coalitions)
        centred = values - values[:1]
        weights = [times(one.inverse, centred) for one in self._known]
        scales = [(centred * dual).sum(axis=0) / len(centred) for dual in weights]
        left_out = [
            ((dual / np.diag(one.inverse)[:, None]) ** 2).sum(axis=0)
            for one, dual in zip(self._known, weights, strict=True)
        ]
        terms, error = np.empty((2, len(self._known[0].variance), centred.shape[1]))
        for k, best in enumerate(np.argmin(left_out, axis=0).tolist()):
            terms[:, k] = times(self._known[best].terms, weights[best][:, [k]])[:, 0]
            error[:, k] = np.sqrt(self._known[best].variance * max(scales[best][k], 0.0))
        cost = len(self._coalitions) * games.cost_of_one
        return matrix_of(terms, self._n), errors_of(error, self._n), cost


@dataclass(frozen=True, eq=False)
class _Posterior:
    """For one reach: the inverse covariance matrix, what each coalition's weight adds to each term, and what is left.

    `terms` has shape (terms, coalitions), `variance` (terms,) is in units of the prior's.
    """

    inverse: Float2
    terms: Float2
    variance: Float1

    @classmethod
    def of(cls, shown: Bool2, reach: float) -> "_Posterior":
        n, signs = shown.shape[1], np.where(shown, 1.0, -1.0)
        apart = np.rint((n - times(signs, signs.T)) / 2)
        covariance = ((1 - reach) / (1 + reach)) ** apart
        # the values are counted from the first coalition's, so the prior is that of differences from it
        covariance = covariance - covariance[:1] - covariance[:, :1] + 1.0
        inverse = solve(covariance + NUGGET * np.eye(len(shown)), np.eye(len(shown)))
        inverse = (inverse + inverse.T) / 2
        terms = _terms(signs, reach)
        terms = terms - terms[:, :1]
        prior = _prior_variance(n, reach)
        spent = (times(terms, inverse) * terms).sum(axis=1)
        return cls(inverse, terms, (prior - spent).clip(min=0.0))


def _nodes(n: int) -> tuple[Float1, Float1]:
    """Gauss-Legendre nodes and weights, exact for polynomials of n players, for means over [-1, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(n // 2 + 1)
    return nodes, weights / 2


def _terms(signs: Float2, reach: float) -> Float2:
    """Shapley values and interactions of the kernel's sections at some coalitions (coalitions, players)."""
    n, (i, j) = signs.shape[1], np.triu_indices(signs.shape[1], 1)
    alone, both = np.zeros(signs.shape), np.zeros((len(signs), len(i)))
    for u, weight in zip(*_nodes(n), strict=True):
        factors = 1.0 + reach * u * signs
        product = weight * np.exp(np.log(factors / (1 + reach)).sum(axis=1))
        ratios = 2.0 * reach * signs / factors
        alone += product[:, None] * ratios
        both += product[:, None] * ratios[:, i] * ratios[:, j]
    return np.concatenate([alone, both], axis=1).T


def _prior_variance(n: int, reach: float) -> Float1:
    """Prior variance of each term: its formula applied to both sides of the kernel."""
    nodes, weights = _nodes(n)
    factors, mass = 1.0 + reach * np.multiply.outer(nodes, nodes), np.multiply.outer(weights, weights)
    alone, both = (
        float((mass * (4 * reach) ** order * factors ** (n - order)).sum() / (1 + reach) ** n) for order in (1, 2)
    )
    return np.concatenate([np.full(n, alone), np.full(n * (n - 1) // 2, both)])


def matrix_of(terms: Float2, n: int) -> Float3:
    """Symmetric matrices whose lines add up to the Shapley values, of Shapley values and interactions of pairs."""
    i, j = np.triu_indices(n, 1)
    found = np.zeros((n, n, terms.shape[1]))
    found[i, j] = found[j, i] = terms[n:] / 2
    found[np.arange(n), np.arange(n)] = terms[:n] - found.sum(axis=1)
    return found


def errors_of(error: Float2, n: int) -> Float3:
    """Errors of the pairs, and of the main effects as if their parts' errors were independent."""
    i, j = np.triu_indices(n, 1)
    found = np.zeros((n, n, error.shape[1]))
    found[i, j] = found[j, i] = error[n:] / 2
    found[np.arange(n), np.arange(n)] = np.sqrt(error[:n] ** 2 + (found**2).sum(axis=1))
    return found
