"""Interpretable models that show themselves as data, and the ladder that prices interpretability."""

from pellucid.glassbox.description import GlassDescription
from pellucid.glassbox.encoder import EncodedColumn, TableEncoder
from pellucid.glassbox.ladder import Ladder, LadderRow, ladder
from pellucid.glassbox.rulelist import Rule, RuleList, RuleListRegressor
from pellucid.glassbox.rungs import RUNGS, Rung, describe, fit, paths
from pellucid.glassbox.scorecard import Scorecard

__all__ = [
    "RUNGS",
    "EncodedColumn",
    "GlassDescription",
    "Ladder",
    "LadderRow",
    "Rule",
    "RuleList",
    "RuleListRegressor",
    "Rung",
    "Scorecard",
    "TableEncoder",
    "describe",
    "fit",
    "ladder",
    "paths",
]
