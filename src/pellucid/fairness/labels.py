"""Labels that mean different things in different groups: bias in the data, apart from any model."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.numbers import percent_interval, points_interval
from pellucid._base.statistics import LEVEL, normal_quantile
from pellucid._base.typing import Bool1, Float1, Int1
from pellucid.fairness import estimates
from pellucid.fairness._inputs import is_favorable, read_numbers, read_vector
from pellucid.fairness.disclosure import shown_groups
from pellucid.fairness.estimates import Comparison, Estimate, Share
from pellucid.fairness.groups import FLOOR, Grouping, pairs, read_groupings

STRATA = 10
FEWEST_STRATA = 2
"""Strata that each end of the score needs before a pattern at that end can be told."""


@dataclass(frozen=True, kw_only=True)
class Contradictions:
    """How often an independent measurement contradicts a label, in each group.

    Parameters
    ----------
    grouping : str
    label : str
        The label that is looked at.
    rates : mapping of group to Estimate
        Share of the rows with this label that are contradicted, with Wilson intervals.
    difference : Comparison
        Largest minus smallest share.
    """

    grouping: str
    label: str
    rates: dict[str, Estimate]
    difference: Comparison

    @property
    def sentence(self) -> str:
        """Name the two groups that differ most."""
        found = self.difference
        if found.value is None or found.low is None or found.high is None:
            return f"By {self.grouping}, contradicted labels cannot be compared: {found.reason}."
        most, least = (self.rates[group] for group in found.between)
        sure = "" if found.evidence == "clear" else f" Insufficient evidence: {found.reason}."
        return (
            f"Of the rows labelled ‘{self.label}’ the measurement contradicts {_share(most)} of {found.between[0]} and "
            f"{_share(least)} of {found.between[1]}, a difference of "
            f"{points_interval(found.value, found.low, found.high)}.{sure}"
        )


def _share(found: Estimate) -> str:
    return f"{percent_interval(found.value or 0.0, found.low, found.high)} (n = {found.n:,})"


def contradicted_labels(
    y: Any, evidence: Any, *, sensitive_features: Any, label: Any, floor: int = FLOOR
) -> tuple[Contradictions, ...]:
    """Measure how often an independent measurement contradicts a label, by group.

    A label that was given less often than it should have been in one group (a disease that was not diagnosed, an
    offence that was not looked for) makes every model of it err for that group. No model is needed to see it, only
    something that was measured in everybody.

    Parameters
    ----------
    y : sequence of length rows
        Labels as they were recorded.
    evidence : sequence of bool of length rows
        Whether the measurement contradicts the label `label` in this row; False where nothing was measured counts as
        agreement, so leave such rows out of every argument.
    sensitive_features : table, series, array or list
        See `group_metrics`.
    label : label
        The label that is looked at, such as ``"no"``.
    floor : int
        Groups with fewer rows of this label are withheld.

    Returns
    -------
    tuple of Contradictions
        One for each grouping.

    Raises
    ------
    InputError
        When lengths differ, `evidence` is not yes or no, or the label does not occur.

    Examples
    --------
    >>> from pellucid.fairness import contradicted_labels
    >>> said = ["no"] * 300
    >>> high = [True] * 3 + [False] * 147 + [True] * 30 + [False] * 120
    >>> (found,) = contradicted_labels(said, high, sensitive_features=["a"] * 150 + ["b"] * 150, label="no")
    >>> found.difference.evidence
    'clear'
    """
    labels, against = read_vector(y, "y"), read_vector(evidence, "evidence")
    if len(labels) != len(against):
        raise InputError(f"y and evidence must have the same length; got {len(labels)} and {len(against)}.")
    if not set(against.tolist()) <= {True, False}:
        raise InputError(f"evidence must be True or False in every row; got values such as {against[0]!r}.")
    chosen = is_favorable(labels, label)
    return tuple(
        _contradictions(grouping, chosen, against.astype(bool), str(label), floor)
        for grouping in read_groupings(sensitive_features, len(labels))
    )


def _contradictions(grouping: Grouping, chosen: Bool1, against: Bool1, label: str, floor: int) -> Contradictions:
    inside = grouping.of(chosen)
    hit, shares = against[chosen], dict[str, Share]()
    for group in shown_groups(inside, floor):
        shares[group] = Share(hit=hit[inside.rows(group)])
    rates = {group: estimates.estimate(share, None) for group, share in shares.items()}
    if len(shares) < 2:
        found = estimates.undefined("fewer than two groups can be shown")
    else:
        ordered = sorted(shares.items(), key=lambda item: item[1].value)
        level = 1 - (1 - LEVEL) / pairs(len(shares))
        found = estimates.difference(ordered[-1], ordered[0], level=level, floor=floor)
    return Contradictions(grouping=grouping.name, label=label, rates=rates, difference=found)


@dataclass(frozen=True, kw_only=True)
class LabelNoise:
    """Share of one group's labels that are turned round, as the score shows them beside a reference group's.

    Parameters
    ----------
    grouping, group, reference : str
    value, low, high : float
        Share of the group's labels turned round, over and above the reference group's, with its 95 % interval. Below
        zero the reference group's labels are the noisier ones.
    n, n_reference : int
    evident : bool
        Whether the labels differ in the same way at both ends of the score, beyond chance: more of the outcome
        than expected where it is rare, and less where it is common.
    """

    grouping: str
    group: str
    reference: str
    value: float
    low: float
    high: float
    n: int
    n_reference: int
    evident: bool

    @property
    def sentence(self) -> str:
        """Say what was found and what it may mean."""
        size = percent_interval(abs(self.value), *sorted((abs(self.low), abs(self.high))))
        noisy, other = (self.group, self.reference) if self.value > 0 else (self.reference, self.group)
        if not self.evident:
            return f"The labels of {self.group} and {self.reference} agree with the score equally well at both ends."
        return (
            f"At equal scores about {size} more of the labels of {noisy} than of {other} stand against the score, at "
            "both of its ends: as if labels were turned round. Ask how the labels of this group were made."
        )


def label_noise(
    y: Any, score: Any, *, sensitive_features: Any, favorable: Any, floor: int = FLOOR, level: float = LEVEL
) -> tuple[LabelNoise, ...]:
    """Look for labels turned round in one group, by what the score says about equal rows of another.

    In strata of equal score (tenths of all rows) let p be the reference group's share of the outcome. If a share e of
    another group's labels is turned round, its share is p + e (1 − 2 p): higher where the outcome is rare, lower where
    it is common (Angluin and Laird 1988). The slope e is fitted by weighted least squares over the strata. It is
    called evident only when each half of the strata shows it alone: a group that merely fares better or worse shows it
    in one.

    Parameters
    ----------
    y : sequence of length rows
    score : sequence of float of length rows
        Any score of the outcome that did not see these labels, such as an out-of-fold probability.
    sensitive_features : table, series, array or list
        See `group_metrics`.
    favorable : label or collection of labels
        The outcome that `score` is about.
    floor : int
        Groups with fewer rows are left out.
    level : float
        Confidence of the intervals.

    Returns
    -------
    tuple of LabelNoise
        Every group against the largest one, for each grouping.

    Examples
    --------
    >>> import numpy as np
    >>> from pellucid.fairness import label_noise
    >>> rng = np.random.default_rng(0)
    >>> score, group = rng.random(4000), rng.choice(["a", "b"], 4000, p=[0.6, 0.4])
    >>> y = rng.random(4000) < score
    >>> y[group == "b"] ^= rng.random((group == "b").sum()) < 0.2
    >>> found, = label_noise(y, score, sensitive_features=group, favorable=True)
    >>> found.group, found.evident, found.low < 0.2 < found.high
    ('b', True, True)
    """
    labels = read_vector(y, "y")
    hit = is_favorable(labels, favorable)
    numbers = read_numbers(score, "score", len(labels))
    found: list[LabelNoise] = []
    for grouping in read_groupings(sensitive_features, len(labels)):
        found += _noise_of(grouping, hit, numbers, floor, level)
    return tuple(found)


def _noise_of(grouping: Grouping, hit: Bool1, score: Float1, floor: int, level: float) -> Iterator[LabelNoise]:
    sizes, shown = grouping.sizes(), shown_groups(grouping, floor)
    if len(shown) < 2:
        return
    reference = max(shown, key=lambda label: (sizes[label], label))
    stratum = np.searchsorted(np.unique(np.quantile(score, np.arange(1, STRATA) / STRATA)), score, side="left")
    for group in shown:
        if group == reference:
            continue
        rows, others = grouping.rows(group), grouping.rows(reference)
        value, error, evident = _turned(stratum, hit, rows, others, level)
        half = normal_quantile(level) * error
        yield LabelNoise(
            grouping=grouping.name,
            group=group,
            reference=reference,
            value=value,
            low=value - half,
            high=value + half,
            n=sizes[group],
            n_reference=sizes[reference],
            evident=evident,
        )


def _turned(stratum: Int1, hit: Bool1, rows: Bool1, others: Bool1, level: float) -> tuple[float, float, bool]:
    """Fit e in difference = e (1 − 2 p) over the strata, and ask whether both halves show it."""
    width = int(stratum.max()) + 1
    n, m = (np.bincount(stratum[side], minlength=width) for side in (rows, others))
    up, base = (np.bincount(stratum[side], weights=hit[side], minlength=width) for side in (rows, others))
    both = (n > 0) & (m > 0)
    n, m, up, base = n[both], m[both], up[both], base[both]
    expected, pooled = base / m, (up + base) / (n + m)
    # Half a case more on either side keeps the variance of a share of 0 or 1 above zero.
    spread = (pooled * (n + m) + 0.5) / (n + m + 1)
    variance = spread * (1 - spread) * (1 / n + 1 / m)
    lean, difference = 1 - 2 * expected, up / n - expected
    value, error = _slope(lean, difference, variance)
    sides = [_slope(lean[part], difference[part], variance[part]) for part in (lean > 0, lean < 0)]
    least = normal_quantile(level)
    told = [np.count_nonzero(part) >= FEWEST_STRATA for part in (lean > 0, lean < 0)]
    shown = all(each * np.sign(value) > normal_quantile(0.9) * wide for each, wide in sides)
    return value, error, bool(all(told) and shown and abs(value) > least * error)


def _slope(lean: Float1, difference: Float1, variance: Float1) -> tuple[float, float]:
    information = float((lean**2 / variance).sum())
    if information == 0:
        return 0.0, float("inf")
    return float((lean * difference / variance).sum()) / information, float(np.sqrt(1 / information))
