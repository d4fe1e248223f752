"""Groups of people compared: rates and errors with intervals, which features carry a gap, and what labels hide."""

from pellucid.fairness.estimates import Comparison, Estimate
from pellucid.fairness.gap_game import gap
from pellucid.fairness.gaps import Cause, Gap, gap_by_feature
from pellucid.fairness.group_metrics import GroupMetrics, group_metrics
from pellucid.fairness.impact import ImpactRatios, impact_ratios
from pellucid.fairness.labels import Contradictions, LabelNoise, contradicted_labels, label_noise
from pellucid.fairness.merit import MeritGap, gap_at_equal_merit
from pellucid.fairness.proxies import Proxy, joint_proxies, proxies
from pellucid.fairness.tally import GroupTally, tally

__all__ = [
    "Cause",
    "Comparison",
    "Contradictions",
    "Estimate",
    "Gap",
    "GroupMetrics",
    "GroupTally",
    "ImpactRatios",
    "LabelNoise",
    "MeritGap",
    "Proxy",
    "contradicted_labels",
    "gap",
    "gap_at_equal_merit",
    "gap_by_feature",
    "group_metrics",
    "impact_ratios",
    "joint_proxies",
    "label_noise",
    "proxies",
    "tally",
]
