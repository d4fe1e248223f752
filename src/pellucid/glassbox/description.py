"""What an interpretable model shows of itself: sentences and tables, nothing drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Columns: TypeAlias = Mapping[str, Sequence[Any]]
"""Columns of equal length; cells are None, str, int or float."""


@dataclass(frozen=True, kw_only=True)
class GlassDescription:
    """An interpretable model in words and tables.

    Parameters
    ----------
    title : str
    sentences : tuple of str
        What the model does and how its numbers were found.
    complexity : str
        Its size in words, such as ``"9 rules"``.
    tables : mapping of str to columns
        The whole model as data, by what the table holds.
    tree : columns or None
        For a tree: id, parent (-1 for the root), branch, text and further columns.
    """

    title: str
    sentences: tuple[str, ...]
    complexity: str
    tables: Mapping[str, Columns] = field(default_factory=dict)
    tree: Columns | None = None
