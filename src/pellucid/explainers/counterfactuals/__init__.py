"""Counterfactuals that obey: what else the model would have said, and what would have had to be different."""

from pellucid.explainers.counterfactuals.constraints import Constraints
from pellucid.explainers.counterfactuals.door import counterfactuals
from pellucid.explainers.counterfactuals.from_dice import counterfactuals_from_dice

__all__ = ["Constraints", "counterfactuals", "counterfactuals_from_dice"]
