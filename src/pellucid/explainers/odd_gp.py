"""A Gaussian process over the odd part of a game: its kernel, and the Shapley values that belong to it.

Shapley values depend only on the odd part ``g(s) = (v(S) - v(S^c)) / 2`` of a game, with s in {-1, 1}^n.
The prior covariance of g is ``linear * s·t / n + cubic * e₃(w s t) / e₃(w) + smooth * sinh(Σ w s t) / sinh(Σ w)
+ rough * [s = t]`` (for pairs, s and t stand for one coalition of each; e₃ is the elementary symmetric polynomial).
Every term has Shapley values in closed form, so what is known of g is known of them. The derivation is in
docs/odd-gp.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial.legendre import leggauss

from pellucid._base.typing import Bool2, Float1, Float2, Int1
from pellucid.explainers.estimation import Estimate
from pellucid.explainers.products import column_sums, factor, forward, inverse, inverse_diagonal, solve_factored, times

DUST = 1e-10
"""Share of the variance of interactions added to the diagonal, so that rounding leaves it positive definite."""
ROUNDING = 2.0**-46
"""Share of the additive part's variance added too: the square of the rounding of single precision."""


@dataclass(frozen=True, eq=False)
class Prior:
    """Covariance of the odd part of a game, but for its scale.

    Parameters
    ----------
    reach : float64 array of shape (players,)
        w: how much a player takes part in interactions.
    linear, cubic, smooth, rough : float
        Variances of the additive part, of interactions of three, of interactions of any odd order and of what no other
        pair tells of.
    """

    reach: Float1
    linear: float
    cubic: float
    smooth: float
    rough: float

    @classmethod
    def geometric(cls, n: int, share: float) -> "Prior":
        """All players alike, and every two orders of interaction weigh `share` of those before.

        Threes have that variance beside the additive part's 1, and what is of order five or more is left to `rough`, so
        that games of order three are known as soon as their pairs determine them.
        """
        return cls(np.ones(n), 1.0, share, 0.0, share**2)

    @property
    def variance(self) -> float:
        """Variance of g at every pair."""
        return self.linear + self.cubic + self.smooth + self.rough

    def covariance(self, signs: Float2) -> Float2:
        """Covariance of g at distinct pairs, of shape (pairs, pairs); `signs` is (pairs, players)."""
        found = self.between(signs, signs)
        found.flat[:: len(found) + 1] += self.dust
        return found

    @property
    def dust(self) -> float:
        """Variance added at every pair."""
        return DUST * (self.cubic + self.smooth) + ROUNDING * self.linear

    def between(self, signs: Float2, others: Float2) -> Float2:
        """Covariance of g at pairs with g at other pairs, of shape (pairs, others)."""
        same = times(signs, others.T)
        found = self.linear / signs.shape[1] * same + self.rough * (same == signs.shape[1])
        if self.cubic:
            found += Triples.of(self.reach, self.cubic).kernel(signs, others)
        if self.smooth:
            z = times(signs * self.reach, others.T)
            found += sinh_kernel(z, self.reach.sum(), self.smooth)
        return np.asarray(found)

    def interactions(self, signs: Float2) -> Float2:
        """Covariance of g at pairs but for the additive part and what belongs to one pair alone."""
        z = times(signs * self.reach, signs.T)
        found = Triples.of(self.reach, self.cubic).of_sums(z, signs, signs)
        if self.smooth:
            found += sinh_kernel(z, self.reach.sum(), self.smooth)
        return found

    def shapley(self, signs: Float2) -> Float2:
        """Shapley values of ``k(·, t)`` for every t of `signs`, of shape (pairs, players)."""
        n = signs.shape[1]
        size = (signs > 0).sum(axis=1)
        # The pair's coalition holds the players with +1; its complement takes part with the opposite sign.
        inside, outside = _indicator_shapley(n, size), _indicator_shapley(n, n - size)
        alone = np.where(signs > 0, inside[:, None], -outside[:, None])
        found = self.linear * 2.0 / n * signs + self.rough * alone
        if self.smooth:
            found += self.smooth * signs * np.tanh(self.reach) * self._integral(signs)
        return np.asarray(found + Triples.of(self.reach, self.cubic).shapley(signs))

    def _integral(self, signs: Float2) -> Float2:
        """``C ∫ Π_{j≠i} (1 + ρ t u) du`` for every pair and player i, of shape (pairs, players).

        As ``1 + t x = √(1 - x²) exp(t artanh x)`` for a sign t, the whole products are one product of matrices, and
        what they are divided by to leave a player out depends on the player's sign alone.
        """
        nodes, weights = leggauss(len(self.reach) // 2 + 1)
        x = np.tanh(self.reach)[:, None] * nodes
        logs = times(signs, np.arctanh(x)) + np.log1p(-(x**2)).sum(axis=0) / 2.0 + _log_scale(self.reach)
        whole = weights * np.exp(logs)
        return np.where(signs > 0, times(whole, 1.0 / (1.0 + x.T)), times(whole, 1.0 / (1.0 - x.T)))

    def shapley_variance(self) -> Float1:
        """Prior variance of every player's Shapley value."""
        n = len(self.reach)
        sizes = np.arange(1, n + 1)
        alone = np.sum(2.0 / n * _indicator_shapley(n, sizes))
        cubic = Triples.of(self.reach, self.cubic).shapley(np.ones((1, n)))[0] * 2.0 / 3.0
        found = self.linear * 4.0 / n + cubic + self.rough * alone
        return np.asarray(found + self.smooth * self._integral_variance() if self.smooth else found)

    def _integral_variance(self) -> Float1:
        """``C ρ ∫∫ Π_{j≠i} (1 + ρ u u') du du'`` for every player i."""
        nodes, weights = leggauss(len(self.reach) // 2 + 1)
        rho, found = np.tanh(self.reach), np.zeros(len(self.reach))
        for u, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
            logs = np.log1p(np.outer(rho * u, nodes))
            whole = logs.sum(axis=0) + _log_scale(self.reach)
            found += weight * times(np.exp(whole - logs), weights[:, None])[:, 0]
        return rho * found


@dataclass(frozen=True, eq=False)
class Triples:
    """``c e₃(w s t) / e₃(w)``: one term for every three players, by Newton's identities from power sums.

    Parameters
    ----------
    reach : float64 array of shape (players,)
    first, second, third : float
        Sums of the reaches, of their squares and of their cubes.
    scale : float
        ``c / e₃(w)`` for a variance c; 0 for fewer than three players.
    """

    reach: Float1
    first: float
    second: float
    third: float
    scale: float

    @classmethod
    def of(cls, reach: Float1, variance: float) -> "Triples":
        """Prepare the sums."""
        first, second, third = (float(np.sum(reach**k)) for k in (1, 2, 3))
        whole = (first**3 - 3.0 * first * second + 2.0 * third) / 6.0
        return cls(reach, first, second, third, variance / whole if len(reach) >= 3 else 0.0)

    def kernel(self, signs: Float2, others: Float2) -> Float2:
        """The kernel between pairs, of shape (pairs, others)."""
        return self.of_sums(times(signs * self.reach, others.T), signs, others)

    def of_sums(self, z: Float2, signs: Float2, others: Float2) -> Float2:
        """The kernel where the sums ``z = Σ w s t`` are known."""
        found = z * z
        found -= 3.0 * self.second
        found *= z
        found *= self.scale / 6.0
        found += times(signs * (self.scale / 3.0 * self.reach**3), others.T)
        return found

    def shapley(self, signs: Float2) -> Float2:
        """Shapley values of the kernel's columns: a product of three players gives each of them 2/3."""
        x = signs * self.reach
        others = ((x.sum(axis=1, keepdims=True) - x) ** 2 - (self.second - self.reach**2)) / 2.0
        return np.asarray(2.0 / 3.0 * self.scale * x * others)

    def by_reach(self, alone: Float1, whole: float) -> Float1:
        """Derivative of ``Σ push * kernel`` by the reaches, where its sums of reaches stay.

        Of a `push`, `whole` is ``Σ push * kernel`` at variance 1, and `alone` ``Σ push * s t`` for each player.
        """
        w = self.reach
        of_scale = (self.first**2 - self.second) / 2.0 - w * self.first + w**2
        return np.asarray(self.scale * (w**2 * alone - w * np.sum(w * alone) - of_scale * whole))


def sinh_kernel(z: Float2, total: float, variance: float) -> Float2:
    """``a sinh(z) / sinh(W)`` for ``|z|`` up to ``W``, the total, without overflow; the variance a is positive."""
    shift = log_twice_sinh(total) - float(np.log(variance))
    up = np.exp(z - shift)
    # A division is quicker than another exponential, where it neither overflows nor divides by zero.
    up -= np.exp(-2.0 * shift) / up if max(total, abs(shift)) < 100.0 else np.exp(-z - shift)
    return np.asarray(up)


def log_twice_sinh(total: float) -> float:
    """``log(2 sinh W)``, without overflow."""
    return float(total + np.log(-np.expm1(-2.0 * total)))


def _log_scale(reach: Float1) -> float:
    """``log(Π cosh w / sinh Σ w)``."""
    return float(np.sum(np.logaddexp(reach, -reach) - np.log(2.0)) - log_twice_sinh(reach.sum()) + np.log(2.0))


def _indicator_shapley(n: int, size: Int1) -> Float1:
    """``2 / (k C(n, k))``: Shapley value, for its k members, of a game that is 1 on one coalition and -1 on the rest.

    Here "the rest" is that coalition's complement; everywhere else the game is 0. No coalition of size 0 has members.
    """
    from scipy.special import gammaln  # a third party, loaded only where games are sampled

    k = np.maximum(size, 1).astype(np.float64)
    log_choose = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0)
    return np.asarray(np.where(size > 0, 2.0 / k * np.exp(-log_choose), 0.0))


@dataclass(frozen=True, eq=False)
class Conditioned:
    """A prior given pairs, the additive part ``S a`` apart from the covariance R of the rest.

    Interactions may be a millionth of the additive part and still be known to many digits: nothing is ever the small
    difference of what both parts add up to (docs/odd-gp.md, equation 6).

    Parameters
    ----------
    signs : float64 array of shape (pairs, players)
        S.
    factor : float64 array of shape (pairs, pairs)
        Lower Cholesky factor of R.
    solved : float64 array of shape (pairs, players)
        ``R⁻¹ S``.
    scatter : float64 array of shape (players, players)
        Covariance of a once the pairs are known.
    log_determinant : float
        That of the whole covariance.
    shrinkage : float
        Inverse of the prior variance of each of a.
    """

    signs: Float2
    factor: Float2
    solved: Float2
    scatter: Float2
    log_determinant: float
    shrinkage: float

    @classmethod
    def of(cls, prior: Prior, signs: Float2, interactions: Float2 | None = None) -> "Conditioned":
        """Condition on pairs of distinct coalitions, where the prior's `interactions` may be known."""
        apart = prior.interactions(signs) if interactions is None else interactions.copy()
        apart.flat[:: len(apart) + 1] += prior.rough + prior.dust
        of_rest = factorised(apart)
        solved = solve_factored(of_rest, signs)
        n = signs.shape[1]
        lower = factorised(times(signs.T, solved) + np.eye(n) * n / prior.linear)
        scatter = inverse(lower)
        logs = np.log(np.diagonal(of_rest)).sum() + np.log(np.diagonal(lower)).sum()
        return cls(signs, of_rest, solved, scatter, float(2.0 * logs + n * np.log(prior.linear / n)), n / prior.linear)

    def additive(self, observed: Float2) -> Float2:
        """Means of a, for each column of values."""
        return times(self.scatter, times(self.solved.T, observed))

    def squares(self, observed: Float2) -> Float1:
        """``yᵀ K⁻¹ y`` of each column, K being the covariance of both parts."""
        additive = self.additive(observed)
        rest = forward(self.factor, observed - times(self.signs, additive))
        return np.asarray(np.sum(rest**2, axis=0) + self.shrinkage * np.sum(additive**2, axis=0))

    def weigh(self, observed: Float2, additive: Float2) -> Float2:
        """``K⁻¹ y = R⁻¹ (y - S a)`` of each column."""
        return solve_factored(self.factor, observed - times(self.signs, additive))

    def variance_left(self, prior: Prior, shapley: Float2) -> Float1:
        """Variance left in every Shapley value, where those of the pairs' interactions are known."""
        by_rest = forward(self.factor, shapley)
        by_additive = 2.0 * np.eye(len(self.scatter)) - times(self.solved.T, shapley)
        left = replace(prior, linear=0.0).shapley_variance() - np.einsum("jp,jp->p", by_rest, by_rest)
        return np.asarray(np.maximum(left, 0.0) + np.einsum("ip,ip->p", by_additive, times(self.scatter, by_additive)))

    def precision(self) -> Float1:
        """Diagonal of ``K⁻¹``."""
        by_additive = np.einsum("jp,jp->j", times(self.solved, self.scatter), self.solved)
        return np.asarray(inverse_diagonal(self.factor) - by_additive)


@dataclass(frozen=True, eq=False)
class Posterior:
    """From odd parts (pairs, outputs) to Shapley values, for one prior and one design.

    The last pair of the design is the full coalition and the empty one, so values add up.

    Parameters
    ----------
    known : Conditioned
        The prior given the pairs.
    shapley : float64 array of shape (players, pairs)
        Shapley values of what the prior believes of interactions at each pair.
    precision : float64 array of shape (pairs,)
        Inverse variance of each pair given all others.
    variance : float64 array of shape (players,)
        What is left.
    freedom : int
        Pairs, less the hyper-parameters fitted to them.
    """

    known: Conditioned
    shapley: Float2
    precision: Float1
    variance: Float1
    freedom: int

    @classmethod
    def of(cls, prior: Prior, shown: Bool2, spent: int = 0, interactions: Float2 | None = None) -> "Posterior":
        """Condition on the pairs whose shown coalitions are given, and on the two ends.

        `spent` hyper-parameters were fitted to the values of these very pairs: so many degrees of freedom are gone.
        """
        signs = with_ends(shown)
        known, shapley = Conditioned.of(prior, signs, interactions), replace(prior, linear=0.0).shapley(signs)
        left, freedom = known.variance_left(prior, shapley), max(1, len(shown) - spent)
        return cls(known, np.ascontiguousarray(shapley.T), known.precision(), left, freedom)

    def solve(self, odd: Float2, total: Float1) -> tuple[Estimate, Float1]:
        """Estimate games side by side, and the mean squared error of leaving out each pair in turn (outputs,).

        The posterior variance is scaled so that left-out pairs have the variance that was found
        (Rasmussen and Williams, 2006, equations 5.10 to 5.12, for the left-out means and variances).
        """
        n = len(self.variance)
        observed = np.concatenate([odd, total[None] / 2])
        additive = self.known.additive(observed)
        weights = self.known.weigh(observed, additive)
        values = 2.0 * additive + times(self.shapley, weights)
        solved, diagonal = weights[:-1], self.precision[:-1, None]
        scale = column_sums(solved**2 / diagonal) / self.freedom
        values += (total - column_sums(values)) / n
        error = np.sqrt(self.variance[:, None] * scale)
        return Estimate(values, error), column_sums((solved / diagonal) ** 2) / len(solved)


def posteriors(priors: Iterable[tuple[Prior, int]], shown: Bool2) -> list[Posterior]:
    """The posterior of each prior, with the number of its hyper-parameters fitted to these very pairs.

    Priors that believe the same of interactions, as strict twins do, share what they take longest to tell of them.
    """
    found: list[Posterior] = []
    of: tuple[bytes, float, float] | None = None
    for prior, spent in priors:
        believed = (prior.reach.tobytes(), prior.cubic, prior.smooth)
        if believed != of:
            of, interactions = believed, prior.interactions(with_ends(shown))
        found.append(Posterior.of(prior, shown, spent, interactions))
    return found


def expected_error(prior: Prior, shown: Bool2) -> float:
    """Variance left in all Shapley values together once these pairs and the two ends are known."""
    signs = with_ends(shown)
    shapley = replace(prior, linear=0.0).shapley(signs)
    return float(Conditioned.of(prior, signs).variance_left(prior, shapley).sum())


def with_ends(shown: Bool2) -> Float2:
    """Signs of pairs, and of the pair of the full and the empty coalition."""
    return np.concatenate([np.where(shown, 1.0, -1.0), np.ones((1, shown.shape[1]))])


def factorised(covariance: Float2) -> Float2:
    """Lower Cholesky factor; the diagonal grows until rounding leaves the matrix positive definite."""
    dust = DUST * float(np.trace(covariance)) / len(covariance)
    while True:
        lower = factor(covariance)
        if lower is not None:
            return lower
        covariance.flat[:: len(covariance) + 1] += dust
        dust *= 10.0


def strict_enough(answers: Sequence[tuple[Estimate, Float1]]) -> tuple[Estimate, Float1]:
    """Take, output by output, the posterior that errs least on left-out pairs; each one's prior believes in less.

    What it moves the values by, beside the first, counts as error: left-out pairs do not tell all that it believes.
    """
    values, errors = (
        np.stack(parts) for parts in zip(*((one.values, one.std_error) for one, _ in answers), strict=True)
    )
    left_out = np.stack([error for _, error in answers])
    best, output = left_out.argmin(axis=0), np.arange(left_out.shape[1])
    taken = values[best, :, output].T
    return Estimate(taken, np.hypot(errors[best, :, output].T, taken - values[0])), left_out.min(axis=0)


def average(answers: Sequence[tuple[Estimate, Float1]]) -> tuple[Estimate, Float1]:
    """Average posteriors, output by output, by the inverse squares of the variances they state.

    A stated variance is that of all values together, scaled by the errors among left-out pairs. The variance of the
    average is the mean variance plus the variance between them (the law of total variance), so what they do not agree
    on counts as error. No value is known better than single precision holds the largest. The leave-one-out error is the
    least of theirs.
    """
    stated = np.stack([column_sums(one.std_error**2) for one, _ in answers])
    # A game without any odd part leaves nothing to tell the priors apart by.
    weights = np.where(stated > 0, stated.min(axis=0) / np.where(stated > 0, stated, 1.0), 1.0) ** 2
    weights /= weights.sum(axis=0)
    values = sum(w * one.values for w, (one, _) in zip(weights, answers, strict=True))
    variance = sum(
        w * (one.std_error**2 + (one.values - values) ** 2) for w, (one, _) in zip(weights, answers, strict=True)
    )
    variance += ROUNDING * np.max(np.asarray(values) ** 2, axis=0, initial=0.0)
    return Estimate(np.asarray(values), np.sqrt(variance)), np.min([error for _, error in answers], axis=0)
