"""`mitigation_frontier`: what each way to narrow a gap costs, and what it leaves as it was."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._base.numbers import percent, points_interval
from pellucid._base.optional import optional_import
from pellucid._base.statistics import Z, wilson
from pellucid._base.typing import Array, Bool1, Float1, Int1, Names
from pellucid._base.words import counted
from pellucid.adapters import as_model
from pellucid.fairness.disclosure import shown_groups
from pellucid.fairness.groups import FLOOR, Grouping, read_groupings
from pellucid.fairness.intervals import difference_of
from pellucid.fairness.proxies import proxies
from pellucid.fairness.reading import favorable_output, sensitive_columns
from pellucid.glassbox import RUNGS
from pellucid.improvement.features import constrained, found_directions
from pellucid.improvement.refit import Trial, weight_name
from pellucid.table import Table

if TYPE_CHECKING:
    import pandas as pd

MOST_PROXIES = 2
REDUCTION_STEPS = 12


@dataclass(frozen=True, kw_only=True)
class Option:
    """One way to decide, measured on rows that its fits had not seen.

    Parameters
    ----------
    name : str
    performance, performance_low, performance_high : float
        Share of right decisions.
    selected : float
        Share decided favourably.
    gap, gap_low, gap_high : float
        Share decided favourably of the reference group minus that of the group.
    price, price_low, price_high : float
        Share of right decisions of the model as given minus this option's, on the same rows.
    needs_group : bool
        Whether a person's group must be known (and may be used) when the decision is made.
    leaves : str
        What it does not change.
    """

    name: str
    performance: float
    performance_low: float
    performance_high: float
    selected: float
    gap: float
    gap_low: float
    gap_high: float
    price: float
    price_low: float
    price_high: float
    needs_group: bool
    leaves: str

    @property
    def sentence(self) -> str:
        """Say what it does to the gap, what it costs and what it leaves."""
        return (
            f"{self.name}: a gap of {points_interval(self.gap, self.gap_low, self.gap_high)}, at a price of "
            f"{points_interval(self.price, self.price_low, self.price_high)} of right decisions; "
            f"{percent(self.selected)} are decided favourably. It leaves: {self.leaves}."
        )


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """Options side by side. None is recommended: which gap and which price to accept is not a property of data.

    Parameters
    ----------
    grouping, group, reference : str
        The gap is the share decided favourably of `reference` minus that of `group`.
    n : int
    options : tuple of Option
        The model as given first.
    left_out : tuple of str
        Options that could not be tried, and why.
    """

    grouping: str
    group: str
    reference: str
    n: int
    options: tuple[Option, ...]
    left_out: Names

    @property
    def sentences(self) -> Names:
        """Every option in words."""
        return tuple(option.sentence for option in self.options)

    def to_frame(self) -> "pd.DataFrame":
        """One row per option."""
        import pandas as pd  # a third party, loaded only when a frame is asked for

        return pd.DataFrame([vars(option) for option in self.options])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Case:
    """Rows to decide about, dealt into folds, and the two groups that are compared."""

    trial: Trial
    favorable: Any
    grouping: Grouping
    group: str
    reference: str
    sensitive: Names
    random_state: int

    @property
    def good(self) -> Bool1:
        """Whether the true outcome is favourable."""
        return np.array([value == self.favorable for value in self.trial.truth.tolist()], dtype=bool)

    @property
    def codes(self) -> Int1:
        """Each row's group."""
        return self.grouping.codes

    def scores(self, trial: Trial, sample_weight: Float1 | None = None) -> Float1:
        """Score rows by the fits of the other folds."""
        held = trial.base if sample_weight is None else trial.run(sample_weight=sample_weight)
        return held.scores[:, favorable_output(held.models[0], self.favorable)]

    def decide(self, scores: Float1, apart: Int1 | None = None) -> Bool1:
        """Decide favourably as often as the outcome occurs in the other folds, by cuts that these folds set.

        `apart` sets a cut for each group, with the same share for all.
        """
        decided = np.zeros(len(scores), dtype=bool)
        codes = np.zeros(len(scores), dtype=np.int64) if apart is None else apart
        for rows, _ in self.trial.parts():
            held = np.isin(np.arange(len(scores)), rows)
            share = float(self.good[~held].mean())
            for code in np.unique(codes):
                others = scores[~held & (codes == code)]
                cut = np.quantile(others, 1 - share, method="higher") if len(others) else np.inf
                decided[held & (codes == code)] = scores[held & (codes == code)] >= cut
        return decided


Way = Callable[[_Case], tuple[str, Bool1]]
"""An option's name and its decisions."""


def mitigation_frontier(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    sensitive_features: Any,
    favorable: Any = None,
    ways: Sequence[str] | None = None,
    floor: int = FLOOR,
    random_state: int = 0,
) -> Frontier:
    """Measure ways to narrow the gap in who is decided favourably, with what each costs.

    Every way is fitted on four fifths of the rows and decides about the fifth, favourably as often as the data do, so
    that options differ in whom they choose and not in how many (but for reductions, which decide themselves).

    Parameters
    ----------
    estimator : fitted classifier with ``fit`` and ``get_params``
    X, y
        Rows and true outcomes.
    sensitive_features : str, table, series, array or list
        One column, of `X` or beside it. The largest group is compared with the one that differs most from it.
    favorable : label, optional
        The outcome that is good for the person; by default the second of two classes.
    ways : sequence of str, optional
        Some of ``"without_group"``, ``"without_proxies"``, ``"repair"``, ``"reweigh"``, ``"group_cuts"``,
        ``"monotone"`` (for models with ``monotonic_cst``), ``"reduction"`` (needs fairlearn: ``pip install
        'pellucid[mitigate]'``) and ``"glassbox"``; by default all that can be tried.
    floor : int
        Groups with fewer rows are left out of the comparison.
    random_state : int

    Returns
    -------
    Frontier

    References
    ----------
    F. Kamiran and T. Calders 2012 (reweighing); M. Feldman et al. 2015 (repair of features); M. Hardt, E. Price and N.
    Srebro 2016 (cuts by group); A. Agarwal et al. 2018 (reductions).

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from pellucid.datasets import load_hmda
    >>> from pellucid.improvement import mitigation_frontier
    >>> hmda = load_hmda()
    >>> X = hmda.X[["pirat", "lvrat", "chist"]]
    >>> model = LogisticRegression(max_iter=1000).fit(X, hmda.y)
    >>> found = mitigation_frontier(
    ...     model, X, hmda.y, sensitive_features=hmda.X["afam"], favorable="no", ways=["reweigh"])
    >>> [option.name for option in found.options]
    ['as given', 'reweighing']
    """
    unknown = [way for way in ways or () if way not in WAYS]
    if unknown:
        raise InputError(f"ways has {unknown[0]!r}; known are {', '.join(map(repr, WAYS))}.")
    if ways and "reduction" in ways:
        optional_import("fairlearn.reductions", extra="mitigate", purpose="the way 'reduction'")
    given = Table.of(X)
    grouping = read_groupings(sensitive_columns(given, sensitive_features), len(given))[-1]
    read = as_model(estimator, reference=given)
    own = (
        given
        if read.features is None or not given.named
        else given.select([n for n in given.names if n in read.features])
    )
    trial = Trial.of(estimator, own.native, y, random_state)
    return frontier_of(trial, grouping, favorable, ways=ways, floor=floor, random_state=random_state)


def frontier_of(
    trial: Trial, grouping: Grouping, favorable: Any, *, ways: Sequence[str] | None, floor: int, random_state: int
) -> Frontier:
    """Measure the options on a trial that stands already."""
    case = _case(trial, grouping, favorable, floor=floor, random_state=random_state)
    plain = case.decide(case.scores(case.trial))
    case = _with_widest_pair(case, plain, floor)
    options, left_out = (
        [_option(case, "as given", plain, plain, needs_group=False, leaves="everything as it is")],
        list[str](),
    )
    for name in ways or WAYS:
        way, needs_group, leaves = WAYS[name]
        try:
            title, decided = way(case)
            options.append(_option(case, title, decided, plain, needs_group=needs_group, leaves=leaves))
        except UnsupportedRequestError as reason:
            left_out.append(f"{name}: {reason}")
    return Frontier(
        grouping=case.grouping.name,
        group=case.group,
        reference=case.reference,
        n=len(plain),
        options=tuple(options),
        left_out=tuple(left_out),
    )


def _case(trial: Trial, grouping: Grouping, favorable: Any, *, floor: int, random_state: int) -> _Case:
    if trial.model.classes is None:
        raise InputError("mitigation_frontier compares decisions, so it needs a classifier.")
    shown, sizes = shown_groups(grouping, floor), grouping.sizes()
    if len(shown) < 2:
        raise InputError(f"a gap needs two groups of at least {floor} rows; {len(shown)} of them can be shown.")
    return _Case(
        trial=trial,
        favorable=trial.model.classes.tolist()[favorable_output(trial.model, favorable)],
        grouping=grouping,
        group=shown[0],
        reference=max(shown, key=lambda label: (sizes[label], label)),
        sensitive=tuple(name for name in grouping.columns if name in trial.table.names),
        random_state=random_state,
    )


def _with_widest_pair(case: _Case, decided: Bool1, floor: int) -> _Case:
    """Compare with the group that the model as given treats most differently from the largest."""
    shares = {label: float(decided[case.grouping.rows(label)].mean()) for label in shown_groups(case.grouping, floor)}
    others = [label for label in shares if label != case.reference]
    group = max(others, key=lambda label: (abs(shares[label] - shares[case.reference]), label))
    return replace(case, group=group)


def _option(case: _Case, name: str, decided: Bool1, plain: Bool1, *, needs_group: bool, leaves: str) -> Option:
    right, before = decided == case.good, plain == case.good
    rows = (case.grouping.rows(case.reference), case.grouping.rows(case.group))
    sides = [(float(decided[side].mean()), *wilson(float(decided[side].mean()), int(side.sum()))) for side in rows]
    steps = before.astype(float) - right
    half, price = Z * float(steps.std(ddof=1)) / np.sqrt(len(steps)), float(steps.mean())
    low, high = wilson(float(right.mean()), len(right))
    gap_low, gap_high = difference_of(sides[0], sides[1])
    return Option(
        name=name,
        performance=float(right.mean()),
        performance_low=low,
        performance_high=high,
        selected=float(decided.mean()),
        gap=sides[0][0] - sides[1][0],
        gap_low=gap_low,
        gap_high=gap_high,
        price=price,
        price_low=price - half,
        price_high=price + half,
        needs_group=needs_group,
        leaves=leaves,
    )


def _without_group(case: _Case) -> tuple[str, Bool1]:
    if not case.sensitive:
        raise UnsupportedRequestError("the model does not read the sensitive column.")
    return "without the sensitive column", case.decide(case.scores(case.trial.without(*case.sensitive)))


def _without_proxies(case: _Case) -> tuple[str, Bool1]:
    labels = np.array(case.grouping.labels, dtype=object)[case.codes]
    found = [proxy.feature for proxy in proxies(case.trial.table, {case.grouping.name: labels})]
    names = list(dict.fromkeys(name for name in found if name not in case.sensitive))[:MOST_PROXIES]
    if len(names) == case.trial.table.n_columns:
        raise UnsupportedRequestError("no column would be left.")
    told = " and ".join(f"‘{name}’" for name in names)
    return f"without {told}", case.decide(case.scores(case.trial.without(*case.sensitive, *names)))


def _repair(case: _Case) -> tuple[str, Bool1]:
    """Replace each number by the value of the same rank among everybody, ranks being taken within the group."""
    table = case.trial.without(*case.sensitive).table
    index = np.tile(np.arange(len(table))[:, None], (1, table.n_columns))
    for j, kind in enumerate(table.kinds):
        if kind != "number":
            continue
        values = table.column(table.names[j])
        present = np.flatnonzero(~np.isnan(values))
        everybody = present[np.argsort(values[present], kind="stable")]
        for code in np.unique(case.codes):
            own = present[case.codes[present] == code]
            _, rank, counts = np.unique(values[own], return_inverse=True, return_counts=True)
            # Equal values share one rank, the middle of theirs, so they stay equal.
            middle = (np.cumsum(counts) - counts / 2) / max(len(own), 1)
            index[own, j] = everybody[np.minimum((middle[rank] * len(everybody)).astype(int), len(everybody) - 1)]
    repaired = replace(case.trial, table=table.gather(index))
    return "repaired features", case.decide(case.scores(repaired))


def _reweigh(case: _Case) -> tuple[str, Bool1]:
    """Weigh rows so that group and outcome are independent in the training data."""
    weights = np.ones(len(case.good))
    for code in np.unique(case.codes):
        for outcome in (False, True):
            cell, inside = (case.codes == code) & (case.good == outcome), case.codes == code
            if cell.any():
                weights[cell] = inside.mean() * (case.good == outcome).mean() / cell.mean()
    return "reweighing", case.decide(case.scores(case.trial.without(*case.sensitive), sample_weight=weights))


def _group_cuts(case: _Case) -> tuple[str, Bool1]:
    return "a cut for each group", case.decide(case.scores(case.trial), apart=case.codes)


def _glassbox(case: _Case) -> tuple[str, Bool1]:
    table = case.trial.without(*case.sensitive).table
    two = len(set(case.trial.truth.tolist())) == 2
    model = RUNGS["linear"].build("binary" if two else "multiclass", table, 0)
    glass = replace(case.trial, estimator=model, table=table)
    return "logistic regression without the sensitive column", case.decide(case.scores(glass))


def _monotone(case: _Case) -> tuple[str, Bool1]:
    """Impose every direction along which the model as given moves nearly always anyway."""
    found = found_directions(case.trial, random_state=case.random_state)
    ways = {name: way for name, (way, _) in found.items() if name not in case.sensitive}
    if not ways:
        raise UnsupportedRequestError("there is no number along which the output nearly always moves one way.")
    imposed = constrained(case.trial.without(*case.sensitive), ways)
    if imposed is None:
        raise UnsupportedRequestError("this model has no setting monotonic_cst for directions, or uses it already.")
    told = " and ".join(f"‘{name}’" for name in ways) if len(ways) < 4 else counted(len(ways), "feature")
    return f"monotone in {told}", case.decide(case.scores(imposed))


def _reduction(case: _Case) -> tuple[str, Bool1]:
    """Agarwal's exponentiated gradient under demographic parity; its randomised decisions are drawn with the seed."""
    if find_spec("fairlearn") is None:
        raise UnsupportedRequestError("fairlearn is not installed: pip install 'pellucid[mitigate]'")
    reductions = optional_import("fairlearn.reductions", extra="mitigate", purpose="the way 'reduction'")
    decided = np.zeros(len(case.good), dtype=bool)
    table = case.trial.without(*case.sensitive).table
    for held, rows in case.trial.parts():
        learner = reductions.ExponentiatedGradient(
            _Weighted(case.trial.estimator), reductions.DemographicParity(), max_iter=REDUCTION_STEPS
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # constant columns, and steps that have not converged yet
            try:
                learner.fit(
                    table.take(rows).to_pandas(), case.good[rows].astype(int), sensitive_features=case.codes[rows]
                )
                decided[held] = learner.predict(table.take(held).to_pandas(), random_state=case.random_state) == 1
            except Exception as error:
                raise UnsupportedRequestError(
                    f"fairlearn's reduction could not fit this model ({type(error).__name__}: {error})."
                ) from error
    return "reduction to equal selection", decided


class _Weighted:
    """The estimator as fairlearn wants it: with weights in `fit`, and clonable by copying its settings."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 - scikit-learn's signature
        """Return the one setting."""
        return {"estimator": self.estimator}

    def fit(self, X: Any, y: Array, sample_weight: Float1 | None = None) -> "_Weighted":
        """Fit a clone with weights."""
        from sklearn.base import clone  # a third party, loaded only when a model is fitted again

        self.fitted_ = clone(self.estimator).fit(X, y, **{weight_name(self.estimator): sample_weight})
        return self

    def predict(self, X: Any) -> Array:
        """Predict labels."""
        return np.asarray(self.fitted_.predict(X))


WAYS: dict[str, tuple[Way, bool, str]] = {
    "without_group": (
        _without_group,
        False,
        "every other column that tells the group, and what the labels hold",
    ),
    "without_proxies": (_without_proxies, False, "weaker proxies, combinations of columns, and what the labels hold"),
    "repair": (_repair, True, "categories, joint distributions, and what the labels hold; rows change their values"),
    "reweigh": (_reweigh, False, "differences between the groups’ features, and the group sizes"),
    "group_cuts": (
        _group_cuts,
        True,
        "the scores; people with equal scores are decided differently by group, which law may forbid",
    ),
    "monotone": (_monotone, False, "proxies and labels; but along these features the score moves one way only"),
    "reduction": (_reduction, False, "error rates by group; its decisions are drawn at random between several models"),
    "glassbox": (_glassbox, False, "proxies and labels; but every point of its score can be read"),
}
