"""Interpretable models that show themselves as data, and the ladder that prices interpretability."""

from pellucid.glassbox.description import GlassDescription
from pellucid.glassbox.encoder import EncodedColumn, TableEncoder
from pellucid.glassbox.ladder import Ladder, LadderRow, ladder
from pellucid.glassbox.rulelist import Rule, RuleList, RuleListRegressor
from pellucid.glassbox.rungs import (
    RUNGS,
    EbmRung,
    LinearRung,
    RuleListRung,
    Rung,
    ScorecardRung,
    TreeRung,
    describe,
    fit,
    paths,
)
from pellucid.glassbox.scorecard import Scorecard

__all__ = [
    "RUNGS",
    "EbmRung",
    "EncodedColumn",
    "GlassDescription",
    "Ladder",
    "LadderRow",
    "LinearRung",
    "Rule",
    "RuleList",
    "RuleListRegressor",
    "RuleListRung",
    "Rung",
    "Scorecard",
    "ScorecardRung",
    "TableEncoder",
    "TreeRung",
    "describe",
    "fit",
    "ladder",
    "paths",
]
