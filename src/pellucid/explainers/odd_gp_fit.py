"""Hyper-parameters of the odd Gaussian process, by the marginal likelihood of a few rows at once."""

import numpy as np

from pellucid._base.typing import Bool2, Float1, Float2
from pellucid._kernels import _native
from pellucid.explainers.odd_gp import DUST, ROUNDING, Conditioned, Prior, Triples, log_twice_sinh
from pellucid.explainers.products import solve, times

STEPS = 80
"""Iterations of the search at most."""
ENOUGH = 1e-5
"""Relative gain of the likelihood below which the search ends: the answer is rounded anyway."""
SHARES = tuple(4.0**-k for k in range(15))
"""Shares of interactions that are compared."""
LEAST = 1e-6
"""Least share of a game, as a root mean square, that is taken for interactions rather than rounding."""
GRID = 16.0
"""Logarithms are rounded to 1/16, so rounding errors in a model's output do not reach the answer."""


def fit_prior(shown: Bool2, odd: Float2, spread: float) -> Prior | None:
    """Fit the prior to odd parts (pairs, columns) of several games on one design.

    Every column is scaled so that its best additive fit leaves a mean square of about 1: games of any size, and with
    interactions of any size, count alike. The reach of a player is
    log-normal, with median 1 / sqrt(players) and `spread` as the standard deviation of its logarithm. None when no
    game changes anything.
    """
    from scipy.optimize import minimize  # a third party, loaded only where games are sampled

    signs = np.where(shown, 1.0, -1.0)
    odd = odd[:, odd.any(axis=0)]
    if odd.shape[1] == 0:
        return None
    n, (size, unit) = signs.shape[1], _sizes(signs, odd)
    centre = -0.5 * np.log(n)
    start = np.concatenate([np.full(n, centre), np.log([n * np.mean((size / unit) ** 2), 0.1, 0.1, 1e-3])])
    bounds = [(-9.0, 1.0)] * n + [(-12.0, 40.0), (-16.0, 12.0), (-16.0, 12.0), (-21.0, 0.0)]
    found = minimize(
        _loss, start, args=(signs, odd / unit, centre, spread), jac=True, method="L-BFGS-B",
        bounds=bounds, options={"maxiter": STEPS, "ftol": ENOUGH},
    ).x  # fmt: skip
    rounded = np.exp(np.round(found * GRID) / GRID)
    return Prior(rounded[:n], *rounded[n:].tolist())


def _sizes(signs: Float2, odd: Float2) -> tuple[Float1, Float1]:
    """Root mean square of each column, and of what an additive fit leaves of it (no less than rounding may)."""
    size = np.sqrt(np.mean(odd**2, axis=0))
    inner = times(signs.T, signs)
    inner.flat[:: len(inner) + 1] *= 1.0 + DUST  # where there are fewer pairs than players
    left = odd - times(signs, solve(inner, times(signs.T, odd)))
    freedom = max(1, len(odd) - signs.shape[1])
    return size, np.maximum(np.sqrt(np.sum(left**2, axis=0) / freedom), LEAST * size)


def fit_geometric(shown: Bool2, odd: Float2) -> Prior | None:
    """Fit the share of `Prior.geometric` by the marginal likelihood of all columns, the scale of each maximised out.

    None when no game changes anything.
    """
    odd = odd[:, odd.any(axis=0)]
    if odd.shape[1] == 0:
        return None
    signs = np.where(shown, 1.0, -1.0)
    best, least = None, np.inf
    threes = Prior.geometric(signs.shape[1], 1.0).interactions(signs)
    for share in SHARES:
        prior = Prior.geometric(signs.shape[1], share)
        known = Conditioned.of(prior, signs, share * threes)
        loss = len(odd) * np.log(known.squares(odd)).sum() + odd.shape[1] * known.log_determinant
        if loss < least:
            best, least = prior, loss
    return best


def _loss(logs: Float1, signs: Float2, odd: Float2, centre: float, spread: float) -> tuple[float, Float1]:
    """Negative log marginal likelihood per game and its gradient (Rasmussen and Williams, 2006, equation 5.9).

    Threes are a polynomial of the sums ``Σ w s t`` and, like the additive part, one weight for every player.
    """
    n = signs.shape[1]
    reach, (linear, cubic, smooth, rough) = np.exp(logs[:n]), np.exp(logs[n:]).tolist()
    total, triples = float(reach.sum()), Triples.of(reach, cubic)
    alike = triples.scale / 3.0 * reach**3
    line, cube = -0.5 * triples.scale * triples.second, triples.scale / 6.0
    diagonal = rough + DUST * (cubic + smooth) + ROUNDING * linear
    shift = log_twice_sinh(total) - float(np.log(smooth))
    found = _native.likelihood(signs, odd, linear / n + alike, reach, line, cube, shift, diagonal)
    if found is None:
        return 1e25, np.zeros_like(logs)
    loss, by_weight, by_sums, of_powers, of_sinh, trace = found
    of_threes = of_powers + float(np.sum(alike * by_weight))
    by_reach = by_sums - of_sinh / np.tanh(total) + triples.by_reach(by_weight, of_threes / cubic)
    gradient = np.empty_like(logs)
    gradient[:n] = 0.5 * reach * by_reach + (logs[:n] - centre) / spread**2
    gradient[n] = 0.5 * linear * (by_weight.sum() / n + ROUNDING * trace)
    gradient[n + 1] = 0.5 * (of_threes + DUST * cubic * trace)
    gradient[n + 2] = 0.5 * (of_sinh + DUST * smooth * trace)
    gradient[n + 3] = 0.5 * rough * trace
    return float(loss + np.sum((logs[:n] - centre) ** 2) / (2.0 * spread**2)), gradient
