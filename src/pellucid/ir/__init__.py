"""Neutral forms between libraries and algorithms: no library's name is spoken here."""

from pellucid.ir.linear import LinearForm
from pellucid.ir.model import Encoding, Model
from pellucid.ir.space import Space
from pellucid.ir.trees import TreeEnsemble

__all__ = ["Encoding", "LinearForm", "Model", "Space", "TreeEnsemble"]
