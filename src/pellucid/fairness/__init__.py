"""Groups of people compared: rates and errors with intervals, and which features carry a gap."""

from pellucid.fairness.estimates import Comparison, Estimate
from pellucid.fairness.gap import Gap, gap_by_feature
from pellucid.fairness.group_metrics import GroupMetrics, group_metrics
from pellucid.fairness.impact import ImpactRatios, impact_ratios
from pellucid.fairness.proxies import Proxy, proxies

__all__ = [
    "Comparison",
    "Estimate",
    "Gap",
    "GroupMetrics",
    "ImpactRatios",
    "Proxy",
    "gap_by_feature",
    "group_metrics",
    "impact_ratios",
    "proxies",
]
