"""The nouns every method returns: values, names, units and the measure of their own error."""

from pellucid.explanation.counterfactuals import Counterfactuals
from pellucid.explanation.effect import Effect
from pellucid.explanation.explanation import Explanation
from pellucid.explanation.importance import Importance
from pellucid.explanation.interactions import Interactions
from pellucid.explanation.pairs import Pairs
from pellucid.explanation.provenance import Provenance
from pellucid.explanation.quality import Evaluations, Quality

__all__ = [
    "Counterfactuals",
    "Effect",
    "Evaluations",
    "Explanation",
    "Importance",
    "Interactions",
    "Pairs",
    "Provenance",
    "Quality",
]
