"""A number of one group, and the comparison of two such numbers."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from pellucid._base.statistics import LEVEL, kish_size, wilson
from pellucid._base.typing import Bool1, Float1
from pellucid.fairness import intervals
from pellucid.fairness.calibration_error import CalibrationError

Evidence: TypeAlias = Literal["clear", "insufficient", "undefined"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One number of one group.

    Parameters
    ----------
    value, low, high : float or None
        The number and its 95 % interval; None where `reason` says why there is none.
    n : int or None
        Rows it was measured on (its denominator); None where the group is withheld.
    reason : str
        Why there is no number: "undefined, because …" or "withheld, because …".
    """

    value: float | None
    low: float | None
    high: float | None
    n: int | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How far two groups are apart.

    Parameters
    ----------
    value, low, high : float or None
        Difference or ratio of the two groups' numbers, with its interval.
    between : tuple of str
        The two groups: minuend and subtrahend, or numerator and denominator.
    n : tuple of int
        Rows that each of the two numbers was measured on.
    evidence : {"clear", "insufficient", "undefined"}
        ``clear`` where the interval leaves out "no difference" and both sizes reach the floor.
    reason : str
        Why the evidence is insufficient, or the comparison undefined.
    """

    value: float | None
    low: float | None
    high: float | None
    between: tuple[str, ...] = ()
    n: tuple[int, ...] = ()
    evidence: Evidence = "clear"
    reason: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Share:
    """A proportion: the share of `hit` among its rows."""

    hit: Bool1
    weights: Float1 | None = None
    share: float = field(init=False)
    size: float = field(init=False)

    def __post_init__(self) -> None:
        share, size = intervals.weighted_share(self.hit, self.weights)
        object.__setattr__(self, "share", share)
        object.__setattr__(self, "size", size)

    @property
    def value(self) -> float:
        """The proportion."""
        return self.share

    @property
    def n(self) -> int:
        """Rows in the denominator."""
        return len(self.hit)

    def interval(self, level: float) -> tuple[float, float]:
        """Wilson's interval."""
        return wilson(self.share, self.size, level)

    def ratio_interval(self, other: "Share", level: float) -> tuple[float, float]:
        """Log-ratio interval of this proportion over the other."""
        return intervals.log_ratio((self.share, self.size), (other.share, other.size), level)


@dataclass(frozen=True, kw_only=True, eq=False)
class Mean:
    """A mean of one number per row, with bootstrap replicates."""

    values: Float1
    purpose: str
    random_state: int
    weights: Float1 | None = None
    replicates: Float1 = field(init=False)

    def __post_init__(self) -> None:
        drawn = intervals.bootstrap_means(
            self.values[:, None], random_state=self.random_state, purpose=self.purpose, weights=self.weights
        )
        object.__setattr__(self, "replicates", drawn[:, 0])

    @property
    def value(self) -> float:
        """The (weighted) mean."""
        return float(np.average(self.values, weights=self.weights))

    @property
    def n(self) -> int:
        """Rows the mean is of."""
        return len(self.values)

    def interval(self, level: float) -> tuple[float, float]:
        """Percentile interval of the replicates."""
        return intervals.percentiles(self.replicates, level)

    def ratio_interval(self, other: "Mean", level: float) -> tuple[float, float]:
        """Percentile interval of the ratio of two independent means."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return intervals.percentiles(self.replicates / other.replicates, level)


@dataclass(frozen=True, kw_only=True, eq=False)
class Area:
    """Area under the ROC curve of a score."""

    positive: Float1
    negative: Float1

    @property
    def value(self) -> float:
        """Chance that a positive row has the higher score."""
        return intervals.auc(self.positive, self.negative)

    @property
    def n(self) -> int:
        """Rows of both kinds."""
        return len(self.positive) + len(self.negative)

    def interval(self, level: float) -> tuple[float, float]:
        """DeLong's interval."""
        return intervals.auc_interval(self.positive, self.negative, level)


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantile:
    """The value below which a share of the (weighted) rows lies."""

    values: Float1
    share: float
    weights: Float1 | None = None

    @property
    def value(self) -> float:
        """Smallest value that this share of the rows does not exceed."""
        return intervals.weighted_quantile(self.values, self.share, self.weights)

    @property
    def n(self) -> int:
        """Rows it is taken from."""
        return len(self.values)

    def interval(self, level: float) -> tuple[float, float]:
        """Woodruff's interval (1952): the quantiles at the ends of Wilson's interval for the share.

        The ends are half a row further out, because a quantile is a row and not a point between two.
        """
        size = float(len(self.values)) if self.weights is None else kish_size(self.weights)
        low, high = wilson(self.share, size, level)
        ends = max(0.0, low - 0.5 / size), min(1.0, high + 0.5 / size)
        return tuple(intervals.weighted_quantile(self.values, end, self.weights) for end in ends)  # type: ignore[return-value]


Statistic: TypeAlias = Share | Mean | Area | Quantile | CalibrationError


def estimate(statistic: Statistic | str, n: int | None) -> Estimate:
    """Turn a statistic into its number with a 95 % interval, or into the reason why there is none."""
    if isinstance(statistic, str):
        return Estimate(value=None, low=None, high=None, n=n, reason=statistic)
    low, high = statistic.interval(LEVEL)
    return Estimate(value=statistic.value, low=low, high=high, n=statistic.n)


def difference(first: tuple[str, Statistic], second: tuple[str, Statistic], *, level: float, floor: int) -> Comparison:
    """First minus second, with Newcombe's interval (MOVER for means and areas)."""
    (label, a), (other, b) = first, second
    low, high = intervals.difference_of(_around(a, level), _around(b, level))
    value = a.value - b.value
    evidence, reason = evidence_of(low, high, 0.0, (a.n, b.n), floor)
    return Comparison(
        value=value,
        low=min(low, value),
        high=max(high, value),
        between=(label, other),
        n=(a.n, b.n),
        evidence=evidence,
        reason=reason,
    )


def _around(statistic: Statistic, level: float) -> tuple[float, float, float]:
    """Return a middle and the interval around it."""
    if isinstance(statistic, CalibrationError):
        return statistic.around(level)
    return (statistic.value, *statistic.interval(level))


def ratio(first: tuple[str, Statistic], second: tuple[str, Statistic], *, level: float, floor: int) -> Comparison:
    """First over second, with a log-ratio interval for proportions and a bootstrap interval for means."""
    (label, a), (other, b) = first, second
    if not ((isinstance(a, Share) and isinstance(b, Share)) or (isinstance(a, Mean) and isinstance(b, Mean))):
        return undefined("a ratio of such numbers has no meaning; read the difference")
    if b.value == 0:
        return undefined(f"the number of group ‘{other}’ is zero, so nothing can be divided by it")
    if a.value == 0:
        return Comparison(
            value=0.0,
            low=None,
            high=None,
            between=(label, other),
            n=(a.n, b.n),
            evidence="insufficient",
            reason=f"the number of group ‘{label}’ is zero, so the ratio has no interval; read the difference",
        )
    low, high = a.ratio_interval(b, level)  # type: ignore[arg-type]
    evidence, reason = evidence_of(low, high, 1.0, (a.n, b.n), floor)
    return Comparison(
        value=a.value / b.value,
        low=low,
        high=high,
        between=(label, other),
        n=(a.n, b.n),
        evidence=evidence,
        reason=reason,
    )


def undefined(because: str) -> Comparison:
    """Say why a comparison cannot be made."""
    return Comparison(value=None, low=None, high=None, evidence="undefined", reason=f"undefined, because {because}")


def evidence_of(low: float, high: float, null: float, n: tuple[int, int], floor: int) -> tuple[Evidence, str]:
    """Say whether an interval leaves out no difference, and both numbers rest on enough rows."""
    if min(n) < floor:
        return "insufficient", f"one of the numbers was measured on {min(n)} rows, fewer than {floor}"
    if low <= null <= high:
        return "insufficient", f"the interval includes {null:g}, which is no difference"
    return "clear", ""
