"""Raw tables of mixed types as matrices of numbers whose columns keep a plain meaning."""

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Float1, Float2
from pellucid.glassbox._bins import Bins, category_bins
from pellucid.glassbox._inputs import is_numeric, numbers, read_rows
from pellucid.table import Table


@dataclass(frozen=True, kw_only=True)
class EncodedColumn:
    """What one encoded column means.

    Parameters
    ----------
    feature : str
        The raw feature it is made of.
    meaning : {"value", "flag", "level", "missing", "code"}
        A number, a bool, one category, whether the value is missing, or the category's number.
    level : str
        The category a ``level`` column flags.
    code : int
        That category's number.
    reference : str
        The category that has no column of its own; empty when each has one.
    fill : float
        The median, which a ``missing`` column's rows are filled with.
    levels : tuple of str
        The categories that a ``code`` column numbers.
    """

    feature: str
    meaning: Literal["value", "flag", "level", "missing", "code"]
    level: str = ""
    code: int = -1
    reference: str = ""
    fill: float = 0.0
    levels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the encoded column."""
        if self.meaning == "level":
            return f"{self.feature} = {self.level}"
        return f"{self.feature} is missing" if self.meaning == "missing" else self.feature


@dataclass(frozen=True, kw_only=True, eq=False)
class _Plan:
    """How one raw feature is encoded."""

    bins: Bins
    fill: float
    columns: tuple[EncodedColumn, ...]


class TableEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Encode numbers, bools, dates, categories, text and missing values as float64.

    Categories become one column each (or one column of codes); categories beyond the `max_levels`
    most frequent share the column ``any other``. A category never seen when fitting counts as
    ``any other`` where there is such a column, else as the reference.

    Parameters
    ----------
    categories : {"flags", "codes"}
        One column of zeros and ones per category, or one column of category numbers (-1 for a new one).
    drop_reference : bool
        Leave out the column of the most frequent category, which coefficients are then relative to.
    impute : bool
        Fill missing numbers with the median and flag them in a column of their own; else leave NaN.
    max_levels : int
        Categories per feature that have a name of their own.

    Attributes
    ----------
    columns_ : list of EncodedColumn
        What each encoded column means.
    n_features_in_ : int
        Number of raw features.
    feature_names_in_ : array of str
        Names of the raw features, where `X` had any.

    Examples
    --------
    >>> from pellucid.glassbox import TableEncoder
    >>> X = {"age": [30.0, None, 50.0], "job": ["clerk", "clerk", "nurse"]}
    >>> encoder = TableEncoder().fit(X)
    >>> [str(name) for name in encoder.get_feature_names_out()]
    ['age', 'age is missing', 'job = nurse']
    >>> encoder.transform(X).tolist()
    [[30.0, 0.0, 0.0], [40.0, 1.0, 0.0], [50.0, 0.0, 1.0]]
    """

    def __init__(
        self,
        *,
        categories: Literal["flags", "codes"] = "flags",
        drop_reference: bool = True,
        impute: bool = True,
        max_levels: int = 20,
    ) -> None:
        self.categories = categories
        self.drop_reference = drop_reference
        self.impute = impute
        self.max_levels = max_levels

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Learn medians and categories.

        Parameters
        ----------
        X : table of shape (rows, features)
        y : ignored
        """
        if self.categories not in ("flags", "codes"):
            raise InputError(f"categories must be 'flags' or 'codes'; got {self.categories!r}.")
        table = read_rows(self, X, reset=True)
        self._plans = [self._plan(table, name, kind) for name, kind in zip(table.names, table.kinds, strict=True)]
        self.columns_ = [column for plan in self._plans for column in plan.columns]
        return self

    def transform(self, X: Any) -> Float2:
        """Encode rows: float64 of shape (rows, encoded columns)."""
        check_is_fitted(self)
        table = read_rows(self, X, reset=False)
        encoded = [column for plan in self._plans for column in self._encode(table, plan)]
        return np.column_stack(encoded) if encoded else np.empty((len(table), 0))

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Names of the encoded columns; `input_features` must be the names it was fitted on, if given."""
        check_is_fitted(self)
        if input_features is not None and list(input_features) != list(self._columns):
            raise ValueError("input_features is not equal to feature_names_in_, the names the encoder was fitted on.")
        return np.array([column.name for column in self.columns_], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _plan(self, table: Table, name: str, kind: str) -> _Plan:
        if is_numeric(kind) or kind == "bool":
            values = numbers(table, name)
            missing = np.isnan(values)
            fill = float(np.median(values[~missing])) if not missing.all() else 0.0
            columns = [EncodedColumn(feature=name, meaning="flag" if kind == "bool" else "value")]
            if missing.any() and self.impute:
                columns.append(EncodedColumn(feature=name, meaning="missing", fill=fill))
            bins = Bins(feature=name, numeric=True, cuts=np.empty(0))
            return _Plan(bins=bins, fill=fill, columns=tuple(columns))
        return self._plan_category(table, name)

    def _plan_category(self, table: Table, name: str) -> _Plan:
        every = category_bins(table, name, np.ones(len(table)), min_share=0.0)
        bins = Bins(feature=name, numeric=False, cuts=every.cuts, levels=every.levels[: self.max_levels])
        present = np.bincount(bins.codes(table), minlength=bins.size) > 0
        codes = np.flatnonzero(present).tolist()
        if self.categories == "codes":
            columns = [EncodedColumn(feature=name, meaning="code", levels=bins.levels)]
        else:
            reference = bins.label(codes.pop(0)) if self.drop_reference else ""
            columns = [
                EncodedColumn(feature=name, meaning="level", level=bins.label(code), code=code, reference=reference)
                for code in codes
            ]
        return _Plan(bins=bins, fill=0.0, columns=tuple(columns))

    def _encode(self, table: Table, plan: _Plan) -> list[Float1]:
        if plan.bins.numeric:
            values = numbers(table, plan.bins.feature)
            if not self.impute:
                return [values]
            missing = np.isnan(values)
            filled = np.where(missing, plan.fill, values)
            return [filled, missing.astype(float)] if len(plan.columns) > 1 else [filled]
        codes = plan.bins.codes(table)
        if self.categories == "codes":
            known = np.where(codes < plan.bins.n_known, codes, -1.0)
            return [np.where(codes > plan.bins.n_known, np.nan, known)]
        return [(codes == column.code).astype(float) for column in plan.columns]
