"""Ordered if-then rules: the first rule that holds decides."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Self

import numpy as np
from scipy.stats import t
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from pellucid._base.errors import InputError
from pellucid._base.numbers import percent
from pellucid._base.statistics import kish_size, wilson
from pellucid._base.typing import Array, Bool1, Float1, Float2, Int1
from pellucid.glassbox._bins import Bins, quantile_bins
from pellucid.glassbox._inputs import read_rows, read_target, read_weights
from pellucid.glassbox.rules import Condition, Gain, Search, class_gain, covered, mean_gain, rule_text
from pellucid.table import Table

MIN_LEVEL_SHARE = 0.01
"""Categories with less of the training weight have no name of their own."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rule:
    """One line of a rule list.

    Parameters
    ----------
    conditions : tuple of Condition
        All must hold; empty for the last rule, which takes every row that is left.
    text : str
        The conditions in words.
    answer : str
        What the rule says, in words.
    rows : float
        Training weight the rule decides.
    value : float
        Share of the answered class among those rows, or their mean target.
    low, high : float or None
        95 % interval of `value` on the training rows; None for the mean of a single row.
    evidence : str
        Value, rows and interval in words.
    """

    conditions: tuple[Condition, ...]
    text: str
    answer: str
    rows: float
    value: float
    low: float | None
    high: float | None
    evidence: str


class _RuleList(BaseEstimator):  # type: ignore[misc]
    """What rule lists for classes and for numbers have in common."""

    def __init__(
        self,
        *,
        max_rules: int = 10,
        max_conditions: int = 2,
        min_share: float = 0.02,
        n_cuts: int = 10,
        alpha: float = 0.05,
    ) -> None:
        self.max_rules = max_rules
        self.max_conditions = max_conditions
        self.min_share = min_share
        self.n_cuts = n_cuts
        self.alpha = alpha

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Find rules one after another.

        Parameters
        ----------
        X : table of shape (rows, features)
        y : array of shape (rows,)
        sample_weight : array of shape (rows,), optional
        """
        self._check_parameters()
        table = read_rows(self, X, reset=True)
        target = self._read_target(read_target(y, table, type(self).__name__))
        weights = read_weights(sample_weight, table)
        counted = np.flatnonzero(weights > 0)
        self._learn(table.take(counted), self._statistics(target[counted], weights[counted]), weights[counted])
        return self

    def apply(self, X: Any) -> Int1:
        """Position of the rule that decides each row: int64 of shape (rows,)."""
        check_is_fitted(self)
        table = read_rows(self, X, reset=False)
        return _first_rule([rule.conditions for rule in self.rules_], self._codes(table))

    def rule_of(self, X: Any) -> list[str]:
        """Say which rule decides each row, as a sentence."""
        return [_sentence(rule, position, len(self.rules_)) for position, rule in self._deciding(X)]

    def rules(self) -> dict[str, list[Any]]:
        """Return the list as columns: rule, if, then, rows, value, low, high.

        `rows` is the training weight that reaches and fulfils the rule; `low` and `high` are the
        95 % interval of `value` on those rows (the same rows chose the rule, so it is optimistic).
        """
        check_is_fitted(self)
        return {
            "rule": list(range(1, len(self.rules_) + 1)),
            "if": [rule.text for rule in self.rules_],
            "then": [rule.answer for rule in self.rules_],
            "rows": [rule.rows for rule in self.rules_],
            "value": [rule.value for rule in self.rules_],
            "low": [rule.low for rule in self.rules_],
            "high": [rule.high for rule in self.rules_],
        }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    @abstractmethod
    def _read_target(self, y: Array) -> Array:
        """Check the target and bring it into the form `_statistics` reads."""

    @abstractmethod
    def _statistics(self, target: Array, weights: Float1) -> Float2:
        """Additive quantities of each row that the gain is made of; the first is the weight."""

    @abstractmethod
    def _search_for(self) -> tuple[Gain, int]:
        """Return the gain and its degrees of freedom."""

    @abstractmethod
    def _summary(self, statistics: Float2, total: Float1) -> dict[str, Any]:
        """Answer, value and interval of a rule from the statistics of its rows; `total` is over all rows."""

    def _check_parameters(self) -> None:
        for name, least in (("max_rules", 1), ("max_conditions", 1), ("n_cuts", 2)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < least:
                raise InputError(f"{name} must be a whole number of at least {least}; got {value!r}.")
        for name in ("min_share", "alpha"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(f"{name} must lie between 0 and 1; got {getattr(self, name)!r}.")

    def _learn(self, table: Table, statistics: Float2, weights: Float1) -> None:
        self.bins_: list[Bins] = quantile_bins(table, weights, n_bins=self.n_cuts, min_share=MIN_LEVEL_SHARE)
        gain, freedom = self._search_for()
        search = Search(
            bins=self.bins_,
            codes=self._codes(table),
            statistics=statistics,
            gain=gain,
            freedom=freedom,
            max_conditions=self.max_conditions,
            min_weight=self.min_share * weights.sum(),
            alpha=self.alpha,
        )
        found, parts = self._cover(search)
        total = statistics.sum(axis=0)
        self._sums = np.array([statistics[rows].sum(axis=0) for rows in parts])
        self.rules_ = [
            Rule(conditions=rule, text=self._text(rule, len(found)), **self._summary(statistics[rows], total))
            for rule, rows in zip(found, parts, strict=True)
        ]

    def _cover(self, search: Search) -> tuple[list[tuple[Condition, ...]], list[Bool1]]:
        """Take the best rule, set its rows aside, and go on with the rest; the last rule takes what is left."""
        candidates = search.candidates()
        left = np.ones(len(search.codes), dtype=bool)
        found: list[tuple[Condition, ...]] = []
        parts: list[Bool1] = []
        while len(found) < self.max_rules - 1:
            rule = search.best_rule(left, candidates)
            if rule is None:
                break
            rows = left & search.covers(rule)
            found.append(rule)
            parts.append(rows)
            left = left & ~rows
        return [*found, ()], [*parts, left]

    def _text(self, rule: tuple[Condition, ...], n_rules: int) -> str:
        if not rule:
            return "no rule above holds" if n_rules > 1 else "always"
        return rule_text(rule, [bins.feature for bins in self.bins_])

    def _codes(self, table: Table) -> Array:
        return np.column_stack([bins.codes(table) for bins in self.bins_])

    def _deciding(self, X: Any) -> list[tuple[int, Rule]]:
        return [(int(position), self.rules_[position]) for position in self.apply(X)]


class RuleList(ClassifierMixin, _RuleList):  # type: ignore[misc]
    """Classifier that reads down an ordered list of if-then rules and stops at the first that holds.

    Rules are found greedily: each is the conjunction of at most `max_conditions` conditions that
    gains most log-likelihood on the rows no earlier rule took (beam search over quantile cuts and
    categories), as long as a likelihood-ratio test at level `alpha`, corrected for the number of
    rules tried, rejects chance.

    Parameters
    ----------
    max_rules : int
        Most rules, the last one (everything else) included.
    max_conditions : int
        Most conditions in a rule.
    min_share : float
        Least share of all training weight that a rule must take.
    n_cuts : int
        Ranges that each number is cut into, at quantiles, for the search.
    alpha : float
        Level of the test that stops the list.

    Attributes
    ----------
    classes_ : array of shape (classes,)
    rules_ : list of Rule
    probabilities_ : float64 array of shape (rules, classes)
        Class shares of each rule's training rows, smoothed with one row's worth of the overall shares.
    bins_ : list of Bins
    n_features_in_ : int
    feature_names_in_ : array of str
        Names of the features, where `X` had any.

    References
    ----------
    R. Rivest, "Learning decision lists", Machine Learning 2, 1987; P. Clark and T. Niblett, "The CN2
    induction algorithm", Machine Learning 3, 1989 (beam search with a likelihood-ratio test).

    Examples
    --------
    >>> from pellucid.glassbox import RuleList
    >>> X = {"late": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] * 4}
    >>> model = RuleList().fit(X, ["paid" if late < 6 else "unpaid" for late in X["late"]])
    >>> model.rules()["if"]
    ['late > 5', 'no rule above holds']
    >>> model.rule_of({"late": [7]})
    ['Rule 1 of 2: if late > 5, then ‘unpaid’ (100 % of 16 rows, 95 % interval 80.6 % to 100 %).']
    """

    @property
    def probabilities_(self) -> Float2:
        """Class shares of each rule's training rows, smoothed with one row's worth of the overall shares."""
        check_is_fitted(self)
        counts = self._sums[:, 1:]
        return np.asarray((counts + counts.sum(axis=0) / counts.sum()) / (counts.sum(axis=1, keepdims=True) + 1))

    def predict_proba(self, X: Any) -> Float2:
        """Class shares of the rule that decides each row: float64 of shape (rows, classes)."""
        position = self.apply(X)
        return self.probabilities_[position]

    def predict(self, X: Any) -> Array:
        """Return the most frequent class of the rule that decides each row."""
        best = np.argmax(self.predict_proba(X), axis=1)
        return np.asarray(self.classes_[best])

    def _read_target(self, y: Array) -> Array:
        check_classification_targets(y)
        self.classes_, index = np.unique(y, return_inverse=True)
        return index

    def _statistics(self, target: Array, weights: Float1) -> Float2:
        flags = np.eye(len(self.classes_))[target] * weights[:, None]
        return np.column_stack([weights, flags])

    def _search_for(self) -> tuple[Gain, int]:
        return class_gain, max(1, len(self.classes_) - 1)

    def _summary(self, statistics: Float2, total: Float1) -> dict[str, Any]:
        counts = statistics.sum(axis=0)
        shares = (counts[1:] + total[1:] / total[0]) / (counts[0] + 1)
        answer = int(np.argmax(shares))
        share = counts[1 + answer] / counts[0] if counts[0] else 0.0
        low, high = wilson(share, kish_size(statistics[:, 0]))
        label = self.classes_[answer]
        rows = f"{counts[0]:.6g} rows"
        return {
            "answer": f"‘{label}’",
            "rows": float(counts[0]),
            "value": float(share),
            "low": low,
            "high": high,
            "evidence": f"{percent(share)} of {rows}, 95 % interval {percent(low)} to {percent(high)}",
        }


class RuleListRegressor(RegressorMixin, _RuleList):  # type: ignore[misc]
    """Regressor that reads down an ordered list of if-then rules; each answers with a mean.

    The search is that of `RuleList`, with the Gaussian log-likelihood.

    Parameters
    ----------
    max_rules : int
        Most rules, the last one (everything else) included.
    max_conditions : int
        Most conditions in a rule.
    min_share : float
        Least share of all training weight that a rule must take.
    n_cuts : int
        Ranges that each number is cut into, at quantiles, for the search.
    alpha : float
        Level of the test that stops the list.

    Attributes
    ----------
    rules_ : list of Rule
    bins_ : list of Bins
    n_features_in_ : int
    feature_names_in_ : array of str
        Names of the features, where `X` had any.

    Examples
    --------
    >>> from pellucid.glassbox import RuleListRegressor
    >>> X = {"rooms": [1, 2, 3, 4, 5] * 8}
    >>> model = RuleListRegressor().fit(X, [10.0 if rooms < 3 else 20.0 + rooms / 10 for rooms in X["rooms"]])
    >>> model.rules()["if"][0]
    'rooms ≤ 2'
    """

    def predict(self, X: Any) -> Float1:
        """Mean of the rule that decides each row: float64 of shape (rows,)."""
        position = self.apply(X)
        return np.array([rule.value for rule in self.rules_])[position]

    def _read_target(self, y: Array) -> Array:
        return np.asarray(y, dtype=np.float64)

    def _statistics(self, target: Array, weights: Float1) -> Float2:
        # centred and scaled, so that sums of squares keep their digits
        self._centre = float(np.average(target, weights=weights))
        scaled = target - self._centre
        self._scale = float(np.abs(scaled).max()) or 1.0
        scaled = scaled / self._scale
        return np.column_stack([weights, weights * scaled, weights * scaled**2])

    def _search_for(self) -> tuple[Gain, int]:
        return mean_gain, 1

    def _summary(self, statistics: Float2, total: Float1) -> dict[str, Any]:  # noqa: ARG002 - shared signature
        weight, first, second = statistics.sum(axis=0)
        mean = first / weight if weight else 0.0
        value, rows = self._centre + self._scale * mean, kish_size(statistics[:, 0])
        low, high, words = None, None, ""
        if rows > 1:
            spread = self._scale * np.sqrt(max(second / weight - mean**2, 0.0) / (rows - 1))
            half = float(t.ppf(0.975, rows - 1) * spread)
            low, high = float(value - half), float(value + half)
            words = f", 95 % interval {low:.4g} to {high:.4g}"
        return {
            "answer": f"{value:.4g}",
            "rows": float(weight),
            "value": float(value),
            "low": low,
            "high": high,
            "evidence": f"mean of {weight:.6g} rows{words}",
        }


def _first_rule(rules: Sequence[tuple[Condition, ...]], codes: Array) -> Int1:
    position = np.full(len(codes), -1, dtype=np.int64)
    for number, rule in enumerate(rules):
        position[(position < 0) & covered(rule, codes)] = number
    return position


def _sentence(rule: Rule, position: int, n_rules: int) -> str:
    return f"Rule {position + 1} of {n_rules}: if {rule.text}, then {rule.answer} ({rule.evidence})."
