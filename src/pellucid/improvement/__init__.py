"""How a model can be made better: weak slices, doubtful labels, features, data, and what mitigation costs."""

from pellucid.improvement.error_tree import ErrorNode, ErrorTree, error_tree
from pellucid.improvement.features import Advice, data_to_collect, harmful_features, monotone_features
from pellucid.improvement.labels import Suspects, suspect_labels
from pellucid.improvement.mitigation import Frontier, Option, mitigation_frontier
from pellucid.improvement.refit import Gain
from pellucid.improvement.slices import Slice, Slices, find_slices

__all__ = [
    "Advice",
    "ErrorNode",
    "ErrorTree",
    "Frontier",
    "Gain",
    "Option",
    "Slice",
    "Slices",
    "Suspects",
    "data_to_collect",
    "error_tree",
    "find_slices",
    "harmful_features",
    "mitigation_frontier",
    "monotone_features",
    "suspect_labels",
]
