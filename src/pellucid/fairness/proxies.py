"""Features that stand in for a group: how well each one alone predicts who belongs to it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.randomness import stream
from pellucid._base.typing import Array, Bool1, Float1, Int1
from pellucid.fairness.disclosure import shown_groups
from pellucid.fairness.groups import FLOOR, Grouping, read_groupings
from pellucid.fairness.intervals import auc, auc_interval
from pellucid.fairness.reading import sensitive_columns
from pellucid.table import Kind, Table

FOLDS = 5
ALL = "(all features)"


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """How well one feature alone tells a group from everybody else.

    Parameters
    ----------
    feature, grouping, group : str
    auc, low, high : float or None
        Chance that a member of the group has a higher value than another person, ties counted half, with DeLong's 95 %
        interval. 0.5 tells nothing; 0 and 1 tell everything. None where `reason` says why.
    n : int
        Rows with a value.
    reason : str
        Why there is no number.
    """

    feature: str
    grouping: str
    group: str
    auc: float | None
    low: float | None
    high: float | None
    n: int
    reason: str = ""

    @property
    def strength(self) -> float:
        """Distance from telling nothing, 0 to 1 (the absolute Gini coefficient); 0 where there is no number."""
        return 0.0 if self.auc is None else abs(2 * self.auc - 1)


def proxies(X: Any, sensitive_features: Any, *, floor: int = FLOOR, random_state: int = 0) -> tuple[Proxy, ...]:
    """Measure how well every feature alone predicts every group.

    Numbers are compared as they are. A column with two values is read as 0 and 1. The values of other columns have no
    order: each is replaced by the share of the group among the other folds' rows with that value (5 folds, with the
    group spread evenly), so a column of unique names scores no better than chance. Rows without a value are left out.

    Parameters
    ----------
    X : table of shape (rows, features)
        Sensitive columns among them are left out.
    sensitive_features : table, series, array or list
        One or more columns; only each alone is looked at, not their intersection.
    floor : int
        Groups with fewer rows are left out, and the next smallest with them.
    random_state : int
        Seed of the folds.

    Returns
    -------
    tuple of Proxy
        The strongest first. Of two groups only the smaller one is listed, because the other mirrors it.

    Examples
    --------
    >>> from pellucid.fairness import proxies
    >>> found = proxies({"income": range(40), "noise": [0, 1] * 20}, ["x"] * 20 + ["y"] * 20)
    >>> [(proxy.feature, proxy.auc) for proxy in found]
    [('income', 0.0), ('noise', 0.5)]
    """
    table, wanted = _read(X, sensitive_features, floor)
    names = [name for name in table.names if name not in {grouping.name for grouping, _ in wanted}]
    found = [
        _proxy(table, name, grouping.rows(group), (grouping.name, group), random_state)
        for grouping, group in wanted
        for name in names
    ]
    return tuple(sorted(found, key=lambda proxy: -proxy.strength))


def joint_proxies(X: Any, sensitive_features: Any, *, floor: int = FLOOR, random_state: int = 0) -> tuple[Proxy, ...]:
    """Measure how well all features together predict every group: what any model could know of it.

    A boosted ensemble predicts membership out of sample (5 folds, the group spread evenly); sensitive columns are left
    out of the features. The parameters are those of `proxies`.

    Returns
    -------
    tuple of Proxy
        One for each group, the feature being ``"(all features)"``; the smaller one of two groups.

    Examples
    --------
    >>> from pellucid.fairness import joint_proxies
    >>> found, = joint_proxies({"income": range(400), "noise": [0, 1] * 200}, ["x"] * 200 + ["y"] * 200)
    >>> found.feature, found.auc > 0.95
    ('(all features)', True)
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # a third party, loaded only when groups are predicted

    table, wanted = _read(X, sensitive_features, floor)
    names = [name for name in table.names if name not in {grouping.name for grouping, _ in wanted}]
    features = table.select(names).codes(table.select(names).vocabulary())
    found: list[Proxy] = []
    for grouping, group in wanted:
        member = grouping.rows(group)
        fold = _folds(member, stream(random_state, f"fairness.joint_proxies|{grouping.name}|{group}"))
        score = np.empty(len(member))
        for k in range(FOLDS):
            model = HistGradientBoostingClassifier(
                max_iter=60, max_leaf_nodes=8, min_samples_leaf=10, early_stopping=False, random_state=0
            )
            score[fold == k] = model.fit(features[fold != k], member[fold != k]).predict_proba(features[fold == k])[
                :, 1
            ]
        low, high = auc_interval(score[member], score[~member])
        area = auc(score[member], score[~member])
        found.append(
            Proxy(feature=ALL, grouping=grouping.name, group=group, auc=area, low=low, high=high, n=len(member))
        )
    return tuple(found)


def _read(X: Any, sensitive_features: Any, floor: int) -> tuple[Table, list[tuple[Grouping, str]]]:
    """Return the features, and the groups of single columns that may be shown: of two the smaller."""
    table = Table.of(X)
    wanted: list[tuple[Grouping, str]] = []
    for grouping in read_groupings(sensitive_columns(table, sensitive_features), len(table)):
        if len(grouping.columns) > 1 or len(grouping.labels) < 2:
            continue
        sizes = grouping.sizes()
        shown = sorted(shown_groups(grouping, floor), key=lambda group: (sizes[group], group))
        wanted += [(grouping, group) for group in (shown[:1] if len(grouping.labels) == 2 else shown)]
    return table, wanted


def _proxy(table: Table, name: str, member: Bool1, group: tuple[str, str], random_state: int) -> Proxy:
    present, numbers = _numbers(table.column(name), table.kinds[table.names.index(name)], member, name, random_state)
    inside, outside = numbers[member[present]], numbers[~member[present]]
    names = {"feature": name, "grouping": group[0], "group": group[1]}
    if not len(inside) or not len(outside):
        reason = "undefined, because nobody in the group, or nobody outside it, has a value"
        return Proxy(**names, auc=None, low=None, high=None, n=int(present.sum()), reason=reason)
    low, high = auc_interval(inside, outside)
    return Proxy(**names, auc=auc(inside, outside), low=low, high=high, n=int(present.sum()))


def _numbers(values: Array, kind: Kind, member: Bool1, name: str, random_state: int) -> tuple[Bool1, Float1]:
    """Which rows have a value, and those values as numbers."""
    if kind in ("number", "bool"):
        present = ~np.isnan(values)
        return present, np.asarray(values[present], dtype=float)
    present = np.array([value is not None for value in values.tolist()], dtype=bool)
    texts = [str(value) for value in values[present].tolist()]
    known = sorted(set(texts))
    position = {text: code for code, text in enumerate(known)}
    codes = np.array([position[text] for text in texts], dtype=np.int64)
    if len(known) < 3:
        return present, codes.astype(float)
    return present, _shares(codes, len(known), member[present], stream(random_state, f"fairness.proxies|{name}"))


def _shares(codes: Int1, width: int, member: Bool1, rng: np.random.Generator) -> Float1:
    """Share of the group among the other folds' rows with the same value (their overall share where there are none)."""
    fold = _folds(member, rng)
    result = np.empty(len(codes))
    for k in range(FOLDS):
        held, rest = fold == k, fold != k
        count = np.bincount(codes[rest], minlength=width)
        inside = np.bincount(codes[rest], weights=member[rest].astype(float), minlength=width)
        overall = float(member[rest].mean()) if rest.any() else 0.0
        # One pseudo-row with the overall share keeps rare values from standing at 0 or 1.
        result[held] = ((inside + overall) / (count + 1))[codes[held]]
    return result


def _folds(member: Bool1, rng: np.random.Generator) -> Int1:
    """Deal the rows into folds, the group spread evenly."""
    fold = np.empty(len(member), dtype=np.int64)
    for part in (np.flatnonzero(member), np.flatnonzero(~member)):
        fold[rng.permutation(part)] = np.arange(len(part)) % FOLDS
    return fold
