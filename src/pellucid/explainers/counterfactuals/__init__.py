"""Counterfactuals that obey: what else the model would have said, and what would have had to be different."""

from pellucid.explainers.counterfactuals.constraints import Constraints
from pellucid.explainers.counterfactuals.door import counterfactuals

__all__ = ["Constraints", "counterfactuals"]
