"""Greedy search for one if-then rule after another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.stats import chi2

from pellucid._base.typing import Bool1, Float1, Float2, Int1, Int2
from pellucid.glassbox._bins import Bins, plain, range_text

Gain: TypeAlias = Callable[[Float2, Float1], Float1]
"""Totals inside each candidate (candidates, statistics) and over all rows (statistics,) to log-likelihood gains."""

BEAM = 5
"""Partial rules kept while a further condition is sought."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Condition:
    """A set of bins of one feature.

    Parameters
    ----------
    feature : int
        Position of the feature.
    members : bool array
        Which of the feature's bins fulfil the condition.
    low, high : float or None
        For a range of numbers: above `low` and up to `high`.
    words : str
        For anything else: what follows the feature's name, such as ``"is ‘yes’"``.
    """

    feature: int
    members: Bool1
    low: float | None = None
    high: float | None = None
    words: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Search:
    """The data a search reads, and its limits.

    Parameters
    ----------
    bins : sequence of Bins
    codes : int64 array of shape (rows, features)
        Bin of each row.
    statistics : float64 array of shape (rows, statistics)
        Additive quantities of each row; the first is its weight.
    gain : Gain
    freedom : int
        Degrees of freedom of twice the gain under chance.
    """

    bins: Sequence[Bins]
    codes: Int2
    statistics: Float2
    gain: Gain
    freedom: int
    max_conditions: int
    min_weight: float
    alpha: float

    def candidates(self) -> list[Condition]:
        """Every single condition, feature by feature."""
        return [condition for j, bins in enumerate(self.bins) for condition in _conditions(j, bins, self.codes[:, j])]

    def best_rule(self, reached: Bool1, candidates: Sequence[Condition]) -> tuple[Condition, ...] | None:
        """Return the conditions that tell most about the rows in `reached`, or None if chance explains them all.

        A rule may take at most half of the weight that reaches it, so that the list goes on, and
        pays ``log(number of candidates)`` for each condition (Bonferroni's price on the log scale).
        """
        if not candidates:
            return None
        members = self._membership(candidates)
        beam: list[tuple[float, tuple[int, ...], Bool1]] = [(0.0, (), reached)]
        best: tuple[float, tuple[int, ...]] | None = None
        for depth in range(1, self.max_conditions + 1):
            grown = self._grow(beam, members, candidates, reached)
            price = depth * np.log(len(candidates))
            for gain, chosen, _ in grown:
                if self._is_chance(gain, price):
                    continue
                if best is None or gain - price > best[0]:
                    best = (gain - price, chosen)
            beam = grown
        return None if best is None else tuple(candidates[c] for c in best[1])

    def covers(self, rule: Sequence[Condition]) -> Bool1:
        """Which rows fulfil every condition."""
        return covered(rule, self.codes)

    def _is_chance(self, gain: float, price: float) -> bool:
        """Likelihood-ratio test: 2·gain against chi-square, times the number of rules that were tried."""
        return bool(chi2.logsf(2 * gain, self.freedom) + price > np.log(self.alpha))

    def _membership(self, candidates: Sequence[Condition]) -> Float2:
        """Zeros and ones of shape (candidates, bins of all features)."""
        starts = self._starts()
        members = np.zeros((len(candidates), starts[-1]))
        for c, condition in enumerate(candidates):
            first = starts[condition.feature]
            members[c, first : first + len(condition.members)] = condition.members
        return members

    def _grow(
        self,
        beam: Sequence[tuple[float, tuple[int, ...], Bool1]],
        members: Float2,
        candidates: Sequence[Condition],
        reached: Bool1,
    ) -> list[tuple[float, tuple[int, ...], Bool1]]:
        """Add one condition to each partial rule in every way, and keep the BEAM best."""
        total = self.statistics[reached].sum(axis=0)
        found: list[tuple[float, tuple[int, ...]]] = []
        for _, chosen, rows in beam:
            inside = members @ self._histogram(rows)
            allowed = (inside[:, 0] >= self.min_weight) & (inside[:, 0] <= total[0] / 2)
            gains = np.where(allowed, self.gain(inside, total), -np.inf)
            order = np.argsort(-gains, kind="stable")
            found += [(float(gains[c]), (*chosen, int(c))) for c in order[: 2 * BEAM] if np.isfinite(gains[c])]
        distinct = {frozenset(chosen): (gain, chosen) for gain, chosen in reversed(found)}
        best = sorted(distinct.values(), key=lambda pair: (-pair[0], pair[1]))[:BEAM]
        return [(gain, chosen, reached & self.covers([candidates[c] for c in chosen])) for gain, chosen in best]

    def _histogram(self, rows: Bool1) -> Float2:
        """Sum of each statistic in each bin of each feature: shape (bins of all features, statistics)."""
        starts = self._starts()
        flat = (self.codes[rows] + starts[:-1]).ravel()
        width = self.codes.shape[1]
        return np.column_stack(
            [np.bincount(flat, weights=np.repeat(s, width), minlength=starts[-1]) for s in self.statistics[rows].T]
        )

    def _starts(self) -> Int1:
        return np.concatenate([[0], np.cumsum([bins.size for bins in self.bins])])


def covered(rule: Sequence[Condition], codes: Int2) -> Bool1:
    """Which rows, given by their bins, fulfil every condition of a rule."""
    result = np.ones(len(codes), dtype=bool)
    for condition in rule:
        result &= condition.members[codes[:, condition.feature]]
    return result


def rule_text(rule: Sequence[Condition], names: Sequence[str]) -> str:
    """Write the conditions as words, joining two limits on one number into a range."""
    ranges: dict[int, tuple[float | None, float | None]] = {}
    words: dict[int, list[str]] = {}
    for condition in rule:
        if condition.words:
            words.setdefault(condition.feature, []).append(condition.words)
            continue
        low, high = ranges.get(condition.feature, (None, None))
        lows = [limit for limit in (low, condition.low) if limit is not None]
        highs = [limit for limit in (high, condition.high) if limit is not None]
        ranges[condition.feature] = (max(lows, default=None), min(highs, default=None))
        words.setdefault(condition.feature, [])
    parts = []
    for feature, said in words.items():
        if feature in ranges:
            parts.append(f"{names[feature]} {_range_words(*ranges[feature])}")
        parts += [f"{names[feature]} {word}" for word in said]
    return " and ".join(parts)


def _range_words(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"is above {plain(low)} and up to {plain(high)}"
    return range_text(low, high)


def _conditions(feature: int, bins: Bins, codes: Int1) -> list[Condition]:
    present = np.bincount(codes, minlength=bins.size) > 0
    found = _limits(feature, bins) if bins.numeric else _categories(feature, bins, present)
    if present[-1]:
        found.append(_members(feature, bins, [bins.size - 1], "is missing"))
    return found


def _limits(feature: int, bins: Bins) -> list[Condition]:
    code = np.arange(bins.size)
    known = code < bins.n_known
    return [
        condition
        for k, cut in enumerate(bins.cuts.tolist())
        for condition in (
            Condition(feature=feature, members=code <= k, high=cut),
            Condition(feature=feature, members=known & (code > k), low=cut),
        )
    ]


def _categories(feature: int, bins: Bins, present: Bool1) -> list[Condition]:
    named = np.flatnonzero(present[:-1]).tolist()
    texts = [f"‘{bins.label(code)}’" if code < bins.n_known else "any other value" for code in named]
    found = [_members(feature, bins, [code], f"is {text}") for code, text in zip(named, texts, strict=True)]
    for code, text in zip(named, texts, strict=True):
        others = [other for other in range(bins.size) if other != code]
        found.append(_members(feature, bins, others, f"is not {text}"))
    return found


def _members(feature: int, bins: Bins, codes: Sequence[int], words: str) -> Condition:
    members = np.zeros(bins.size, dtype=bool)
    members[list(codes)] = True
    return Condition(feature=feature, members=members, words=words)


def class_gain(inside: Float2, total: Float1) -> Float1:
    """Log-likelihood gained by giving covered rows class shares of their own; statistics: weight, then classes."""
    return _entropy(total) - _entropy(inside) - _entropy(total - inside)


def mean_gain(inside: Float2, total: Float1) -> Float1:
    """Log-likelihood gained by a mean of their own for covered rows; statistics: weight, target, squared target.

    n/2 · log(SSE before / SSE after), the Gaussian likelihood ratio.
    """
    before = float(_spread(total))
    if before <= 0:
        return np.zeros(len(inside))
    # a perfect split is worth much, but not more than rounding lets us see
    after = np.maximum(_spread(inside) + _spread(total - inside), np.finfo(float).eps * before)
    return np.asarray(total[0] / 2 * np.maximum(np.log(before) - np.log(after), 0.0))


def _entropy(counts: Float2) -> Float1:
    """Weight times entropy: minus the log-likelihood of rows at their own class shares."""
    classes = np.maximum(counts[..., 1:], 0.0)
    weight = classes.sum(axis=-1)
    logs = np.log(np.where(classes > 0, classes, 1.0))
    return np.asarray(weight * np.log(np.where(weight > 0, weight, 1.0)) - (classes * logs).sum(axis=-1))


def _spread(sums: Float2) -> Float1:
    weight = np.where(sums[..., 0] > 0, sums[..., 0], 1.0)
    return np.asarray(np.maximum(sums[..., 2] - sums[..., 1] ** 2 / weight, 0.0))
