"""Interpretable models that show themselves as data, and the ladder that prices interpretability."""

from pellucid.glassbox.description import GlassDescription
from pellucid.glassbox.encoder import TableEncoder
from pellucid.glassbox.scorecard import Scorecard

__all__ = ["GlassDescription", "Scorecard", "TableEncoder"]
