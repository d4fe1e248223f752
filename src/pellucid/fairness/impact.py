"""Impact ratios: every group's selection rate against the highest."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pellucid._base.errors import InputError
from pellucid._base.statistics import LEVEL
from pellucid._base.typing import Bool1, Float1
from pellucid.fairness import estimates
from pellucid.fairness._inputs import is_favorable, read_vector, read_weights
from pellucid.fairness.disclosure import withheld_together
from pellucid.fairness.estimates import Comparison, Estimate, Share
from pellucid.fairness.group_metrics import WITHHELD
from pellucid.fairness.groups import FLOOR, Grouping, read_groupings

FOUR_FIFTHS = 0.8
"""A rule of thumb, contested, drawn as a line to read figures against; it is no verdict."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImpactRatios:
    """Selection rates of the groups of one grouping, and their ratios against the highest.

    Parameters
    ----------
    grouping : str
        The sensitive column, or the intersection of all.
    highest : str or None
        Group with the highest selection rate; None where no group can be shown.
    rates : mapping of group to Estimate
        Share of favourable outcomes, with Wilson intervals.
    ratios : mapping of group to Comparison
        Rate over the highest rate, with 95 % log-ratio intervals, each for itself.
    reference : float
        Four fifths.
    """

    grouping: str
    highest: str | None
    rates: Mapping[str, Estimate]
    ratios: Mapping[str, Comparison]
    reference: float = FOUR_FIFTHS


def impact_ratios(
    outcomes: Any,
    *,
    sensitive_features: Any,
    favorable: Any,
    sample_weight: Any = None,
    floor: int = FLOOR,
    min_evidence: int | None = None,
) -> Mapping[str, ImpactRatios]:
    """Compare the share of favourable outcomes of every group with the highest share.

    Parameters
    ----------
    outcomes : sequence of length rows
        Decisions as they were made (data) or predicted (model).
    sensitive_features : table, series, array or list
        One or more columns; see `group_metrics`.
    favorable : label or collection of labels
        The outcome that is good for the person.
    sample_weight : sequence of float, optional
    floor : int
        Groups with fewer rows are withheld.
    min_evidence : int, optional
        Fewest rows of both groups of a ratio that is not called insufficient; default `floor`.

    Returns
    -------
    mapping of grouping to ImpactRatios

    Examples
    --------
    >>> from pellucid.datasets import load_hmda
    >>> from pellucid.fairness import impact_ratios
    >>> hmda = load_hmda()
    >>> found = impact_ratios(hmda.y, sensitive_features=hmda.X["afam"], favorable="no")["afam"]
    >>> found.highest, round(found.ratios["yes"].value, 3)
    ('no', 0.79)
    """
    if favorable is None:
        raise InputError("favorable is needed: the outcome that is good for the person.")
    labels = read_vector(outcomes, "outcomes")
    selected = is_favorable(labels, favorable)
    weights = read_weights(sample_weight, len(labels))
    groupings = read_groupings(sensitive_features, len(labels))
    withheld = withheld_together(groupings, floor)
    return MappingProxyType(
        {
            grouping.name: _of_grouping(
                grouping,
                selected,
                weights,
                why=dict.fromkeys(withheld[grouping.name], WITHHELD.format(floor=floor)),
                min_evidence=min_evidence or floor,
            )
            for grouping in groupings
        }
    )


def _of_grouping(
    grouping: Grouping, selected: Bool1, weights: Float1 | None, *, why: dict[str, str], min_evidence: int
) -> ImpactRatios:
    """Compare the groups that may be shown; `why` says of the others what is to be said."""
    shares: dict[str, Share] = {}
    for label in grouping.labels:
        rows = grouping.rows(label)
        part = None if weights is None else weights[rows]
        if label not in why and (part is None or part.any()):
            shares[label] = Share(hit=selected[rows], weights=part)
        else:
            why.setdefault(label, "undefined, because there are no rows with weight")
    highest = max(shares, key=lambda label: shares[label].value) if shares else None
    rates = {label: estimates.estimate(shares.get(label, why.get(label, "")), None) for label in grouping.labels}
    ratios = {label: _ratio(label, highest, shares, why, min_evidence) for label in grouping.labels}
    return ImpactRatios(
        grouping=grouping.name, highest=highest, rates=MappingProxyType(rates), ratios=MappingProxyType(ratios)
    )


def _ratio(
    label: str, highest: str | None, shares: Mapping[str, Share], why: Mapping[str, str], min_evidence: int
) -> Comparison:
    if label not in shares or highest is None:
        return Comparison(value=None, low=None, high=None, evidence="undefined", reason=why[label])
    if len(shares) == 1:
        return estimates.undefined("there is no other group to compare with")
    if label == highest:
        return Comparison(
            value=1.0,
            low=None,
            high=None,
            between=(label, label),
            n=(shares[label].n,) * 2,
            reason="the group with the highest rate, against which the others are read",
        )
    return estimates.ratio((label, shares[label]), (highest, shares[highest]), level=LEVEL, floor=min_evidence)
