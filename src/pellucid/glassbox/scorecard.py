"""A points scorecard: one table to add up by hand."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Float1, Float2, Int1, Int2
from pellucid.glassbox._bins import Bins, category_bins, short_between
from pellucid.glassbox._inputs import is_numeric, numbers, read_rows, read_target, read_weights
from pellucid.table import Table

PSEUDO_ROWS = 1.0
"""Rows' worth of the overall rate that every bin is smoothed with, so that no bin has infinite evidence."""


class Scorecard(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Binary classifier that adds up whole points: more points, more likely the second class.

    Numbers are cut where a small tree parts the classes best, categories are kept by name, missing
    values have a bin of their own. Each bin's weight of evidence, the log odds of its rows against
    those of all rows, enters a logistic regression (ridge penalty 1 / `C`); coefficient times
    evidence is rounded to points, and `predict_proba` is computed from the points alone.

    Parameters
    ----------
    n_bins : int
        Most ranges a number is cut into.
    min_share : float
        Least share of the training weight in a range, and in a category with a name of its own.
    C : float
        Inverse strength of the ridge penalty on the coefficients of the evidence.
    pdo : float
        Points that double the odds.
    base_points, base_odds : float
        `base_points` points mean odds of `base_odds` to 1 for the second class.

    Attributes
    ----------
    classes_ : array of shape (2,)
        Class labels, sorted; points speak for the second.
    intercept_points_ : int
        Points every row starts with.
    points_ : list of int64 arrays
        Points of each bin of each feature, in the order of `bins_`.
    bins_ : list of Bins
    evidence_ : list of float64 arrays
        Weight of evidence of each bin.
    coef_ : float64 array of shape (features,)
    intercept_ : float
    n_features_in_ : int
    feature_names_in_ : array of str
        Names of the features, where `X` had any.

    References
    ----------
    N. Siddiqi, "Credit Risk Scorecards", Wiley 2006, chapter 6: weight of evidence and scaling.

    Examples
    --------
    >>> from pellucid.glassbox import Scorecard
    >>> X = {"late": [0, 0, 1, 3, 4, 5, 0, 4], "home": ["own", "own", "rent", "rent", None, "rent", "own", "rent"]}
    >>> card = Scorecard().fit(X, ["paid", "paid", "paid", "unpaid", "unpaid", "unpaid", "paid", "unpaid"])
    >>> card.points(X).shape
    (8,)
    >>> list(card.points_table())
    ['feature', 'bin', 'points', 'rows', 'share', 'evidence']
    """

    def __init__(
        self,
        *,
        n_bins: int = 5,
        min_share: float = 0.05,
        C: float = 1.0,
        pdo: float = 20.0,
        base_points: float = 600.0,
        base_odds: float = 1.0,
    ) -> None:
        self.n_bins = n_bins
        self.min_share = min_share
        self.C = C
        self.pdo = pdo
        self.base_points = base_points
        self.base_odds = base_odds

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Find bins, evidence and points.

        Parameters
        ----------
        X : table of shape (rows, features)
        y : array of shape (rows,)
            Two classes.
        sample_weight : array of shape (rows,), optional
        """
        self._check_parameters()
        table = read_rows(self, X, reset=True)
        positive = self._read_target(y, table)
        weights = read_weights(sample_weight, table)
        counted = np.flatnonzero(weights > 0)
        table, positive, weights = table.take(counted), positive[counted], weights[counted]
        if len(np.unique(positive)) < 2:
            raise InputError("a scorecard needs rows of two classes; got only one class with positive weight.")
        self.bins_ = [
            self._bins(table, name, kind, positive, weights)
            for name, kind in zip(table.names, table.kinds, strict=True)
        ]
        codes = self._codes(table)
        self._tally(codes, positive, weights)
        self._fit_evidence(codes, positive, weights)
        self._scale()
        return self

    def points(self, X: Any) -> Int1:
        """Total points of each row: whole numbers, int64 of shape (rows,)."""
        return np.asarray(self.points_by_feature(X).sum(axis=1) + self.intercept_points_)

    def points_by_feature(self, X: Any) -> Int2:
        """Points each feature adds, int64 of shape (rows, features); `intercept_points_` come on top."""
        check_is_fitted(self)
        codes = self._codes(read_rows(self, X, reset=False))
        return np.column_stack([points[codes[:, j]] for j, points in enumerate(self.points_)])

    def predict_proba(self, X: Any) -> Float2:
        """Probability of each class from the points, float64 of shape (rows, 2)."""
        log_odds = np.log(self.base_odds) + (self.points(X) - self.base_points) * np.log(2) / self.pdo
        return np.column_stack([expit(-log_odds), expit(log_odds)])

    def predict(self, X: Any) -> Array:
        """Class of each row: the second where its probability is over one half."""
        probability = self.predict_proba(X)[:, 1]
        return np.asarray(self.classes_[(probability > 0.5).astype(int)])

    def points_table(self) -> dict[str, list[Any]]:
        """Every bin with its points, training rows (weight), share of the second class and evidence.

        The first line holds the points that every row starts with.
        """
        check_is_fitted(self)
        table: dict[str, list[Any]] = {
            "feature": ["every row"],
            "bin": [""],
            "points": [self.intercept_points_],
            "rows": [float(self._rows[0].sum())],
            "share": [float(self._positives[0].sum() / self._rows[0].sum())],
            "evidence": [None],
        }
        for j, bins in enumerate(self.bins_):
            for code in self._shown(j):
                rows = float(self._rows[j][code])
                table["feature"].append(bins.feature)
                table["bin"].append(bins.label(code))
                table["points"].append(int(self.points_[j][code]))
                table["rows"].append(rows)
                table["share"].append(float(self._positives[j][code] / rows) if rows else None)
                table["evidence"].append(float(self.evidence_[j][code]))
        return table

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.classifier_tags.multi_class = False
        return tags

    def _check_parameters(self) -> None:
        if not isinstance(self.n_bins, Integral) or self.n_bins < 2:
            raise InputError(f"n_bins must be a whole number of at least 2; got {self.n_bins!r}.")
        if not 0 < self.min_share < 0.5:
            raise InputError(f"min_share must lie between 0 and 0.5; got {self.min_share!r}.")
        for name in ("C", "pdo", "base_odds"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive; got {getattr(self, name)!r}.")

    def _read_target(self, y: Any, table: Table) -> Array:
        y = read_target(y, table, "Scorecard")
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind not in ("binary", "multiclass"):
            raise InputError(f"Unknown label type: {kind}. A scorecard needs a target of two classes.")
        self.classes_, positive = np.unique(y, return_inverse=True)
        if len(self.classes_) > 2:
            raise InputError("Only binary classification is supported. The type of the target is multiclass.")
        if len(self.classes_) < 2:
            raise InputError(f"a scorecard needs two classes; y has one class, {self.classes_[0]!r}.")
        return positive

    def _bins(self, table: Table, name: str, kind: str, positive: Array, weights: Float1) -> Bins:
        if not is_numeric(kind):
            return category_bins(table, name, weights, min_share=self.min_share)
        values = numbers(table, name)
        cuts = _separating_cuts(values, positive, weights, n_bins=self.n_bins, min_share=self.min_share)
        return Bins(feature=name, numeric=True, cuts=cuts)

    def _codes(self, table: Table) -> Int2:
        return np.column_stack([bins.codes(table) for bins in self.bins_])

    def _tally(self, codes: Int2, positive: Array, weights: Float1) -> None:
        """Weigh rows and positives per bin, and take the smoothed log odds against all rows."""
        self._rows, self._positives, self.evidence_ = [], [], []
        rate = np.average(positive, weights=weights)
        for j, bins in enumerate(self.bins_):
            rows = np.bincount(codes[:, j], weights=weights, minlength=bins.size)
            positives = np.bincount(codes[:, j], weights=weights * positive, minlength=bins.size)
            odds = (positives + PSEUDO_ROWS * rate) / (rows - positives + PSEUDO_ROWS * (1 - rate))
            # a bin without training rows says nothing: its odds are the overall odds
            self._rows.append(rows)
            self._positives.append(positives)
            self.evidence_.append(np.log(odds) - np.log(rate / (1 - rate)))

    def _fit_evidence(self, codes: Int2, positive: Array, weights: Float1) -> None:
        evidence = np.column_stack([values[codes[:, j]] for j, values in enumerate(self.evidence_)])
        # Newton steps end at the optimum itself, so equal data in another order gives equal points
        model = LogisticRegression(C=self.C, solver="newton-cholesky", tol=1e-10, max_iter=200)
        model.fit(evidence, positive, sample_weight=weights)
        self.coef_, self.intercept_ = model.coef_[0], float(model.intercept_[0])

    def _scale(self) -> None:
        """Round to points: base_points + (log odds − ln base_odds) · pdo / ln 2."""
        factor = self.pdo / np.log(2)
        self.points_ = [
            np.rint(factor * coefficient * evidence).astype(np.int64)
            for coefficient, evidence in zip(self.coef_, self.evidence_, strict=True)
        ]
        self.intercept_points_ = round(self.base_points + factor * (self.intercept_ - np.log(self.base_odds)))

    def _shown(self, j: int) -> list[int]:
        """Codes worth a line: every named bin, and the others where training rows fell into them."""
        n_known = self.bins_[j].n_known
        return [code for code in range(self.bins_[j].size) if code < n_known or self._rows[j][code] > 0]


def _separating_cuts(values: Float1, positive: Array, weights: Float1, *, n_bins: int, min_share: float) -> Float1:
    """Cut a number where a tree with `n_bins` leaves parts the classes best."""
    present = ~np.isnan(values)
    distinct, rank = np.unique(values[present], return_inverse=True)
    if len(distinct) < 2:
        return np.empty(0)
    # the tree sees ranks, so that neither its float32 nor the scale of the feature matters
    tree = DecisionTreeClassifier(
        criterion="entropy", max_leaf_nodes=n_bins, min_weight_fraction_leaf=min_share, random_state=0
    )
    tree.fit(rank.reshape(-1, 1), positive[present], sample_weight=weights[present])
    inner = tree.tree_.feature >= 0
    below = np.floor(np.sort(tree.tree_.threshold[inner])).astype(int)
    return np.array([short_between(distinct[i], distinct[i + 1]) for i in below])
