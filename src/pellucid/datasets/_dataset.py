"""What a shipped table is: its cells, and everything one must know before using them."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from pellucid._base.typing import Names

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """A table with its task and its documentation.

    Parameters
    ----------
    name, title : str
        Short name, and what the table is in a few words.
    frame : pandas.DataFrame of shape (rows, columns)
        Every column, the target included. Each load reads a fresh one, so changing it harms nobody.
    target : str
        Column to predict.
    favorable : str
        Value of the target that is good for the person the row is about.
    sensitive_features : tuple of str
        Columns to compare groups by.
    excluded : mapping of str to str
        Columns that `X` leaves out, and why.
    immutable : tuple of str
        Columns of `X` that a person cannot change.
    columns : mapping of str to str
        What each column means, in our words.
    source, licence : str
        Where the table comes from and what is known about its terms of use.
    caveats : tuple of str
        What a user must know before drawing a conclusion.
    """

    name: str
    title: str
    frame: "pd.DataFrame"
    target: str
    favorable: str
    sensitive_features: Names
    excluded: Mapping[str, str]
    immutable: Names
    columns: Mapping[str, str]
    source: str
    licence: str
    caveats: tuple[str, ...]

    @property
    def X(self) -> "pd.DataFrame":  # noqa: N802 -- the field's own name for a table
        """The columns to predict from: a copy without the target and the excluded columns."""
        return self.frame.drop(columns=[self.target, *self.excluded])

    @property
    def y(self) -> "pd.Series[str]":
        """The target column: a copy."""
        return self.frame[self.target].copy()

    def __repr__(self) -> str:
        rows, columns = self.frame.shape
        return f"Dataset({self.name!r}: {rows} rows, {columns} columns, target {self.target!r})"


def read_shipped_csv(file: str, **options: object) -> "pd.DataFrame":
    """Read one of the CSV files beside this module."""
    import pandas as pd  # a third party, loaded only when a table is asked for

    with resources.files("pellucid.datasets").joinpath("data", file).open(encoding="utf-8") as lines:
        return pd.read_csv(lines, **options)  # type: ignore[call-overload, no-any-return]
