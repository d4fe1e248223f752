"""`gap`: the difference between two groups, split over what makes it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.numbers import interval_text
from pellucid._base.randomness import stream
from pellucid._base.statistics import LEVEL, normal_quantile
from pellucid._base.typing import Float1, Float2, Int1, Names
from pellucid._door import Explainer
from pellucid.fairness.coupling import Outcome, Pairs, outcome_with, shapley_walks
from pellucid.fairness.disclosure import shown_groups
from pellucid.fairness.gaps import Cause, Gap, Measured
from pellucid.fairness.groups import FLOOR, Grouping, read_groupings
from pellucid.fairness.labels import label_noise
from pellucid.fairness.reading import Decider, own_columns, read_decider, sensitive_columns
from pellucid.ir import Space
from pellucid.table import Table

MOST_ROWS = 3_000
"""Rows of each group that a split looks at; of larger groups so many are drawn."""
CAUSE_LEVEL = 0.99
"""Confidence, over everything that could be named, at which a cause is named."""
SMALLEST_SHARE = 0.1
"""A part below this share of the gap is not called a cause of it."""
MOST_PAIRED = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class _Asked:
    """What is compared between whom, arguments read."""

    table: Table
    decider: Decider
    outcome: Outcome
    grouping: Grouping
    group: str
    reference: str
    rows: Int1
    reference_rows: Int1
    measure: Measured
    space: Space
    level: float
    random_state: int


@dataclass(frozen=True, kw_only=True, eq=False)
class _Parts:
    """Each feature's part of the gap, what no feature carries, the whole, and their standard errors."""

    value: Float1
    error: Float1
    total: float
    total_error: float
    base: float = 0.0


def gap(
    model: Any,
    X: Any,
    *,
    sensitive_features: Any,
    y: Any = None,
    measure: Measured = "score",
    favorable: Any = None,
    threshold: float | None = None,
    space: str = "raw",
    group: str | None = None,
    reference: str | None = None,
    floor: int = FLOOR,
    random_state: int = 0,
) -> Gap:
    """Split the difference between two groups over the features, and name what carries it.

    The game: v(S) is the mean outcome of hybrids that have the features in S from the group and the others from the
    reference group. v(all) − v(none) is the gap, and its Shapley values split it with nothing left over. Of a
    model with a structure the values of the score are exact. Otherwise people of both groups are paired at random, such
    that each group keeps its mean, and every pair is walked along random orders; the parts of each pair add up exactly,
    so the sum is the gap whatever the number of walks, and the intervals hold the error of the pairing and the walks.

    For ``measure="error"`` each person keeps the own outcome, the features in S and another random person's
    features elsewhere; what the two groups' errors would differ by when the model knew nothing stands in `base`.

    Parameters
    ----------
    model : object
        See `pellucid.explain`.
    X : table of shape (rows, features)
        Columns that the model does not know are set aside.
    sensitive_features : str, table, series, array or list
        The name of a column of `X`, or one or more columns with one value per row. With several, their intersection is
        compared.
    y : sequence of length rows, optional
        True outcomes; needed for ``measure="error"``.
    measure : {"score", "selection", "error"}
        Mean score in `space`, share decided favourably, or share decided wrongly.
    favorable : label, optional
        The outcome that is good for the person; by default the second of two classes.
    threshold : float, optional
        Probability of the favourable outcome (the output of a function) from which it is decided; default one half.
    space : {"raw", "probability", "log_odds"}
        Units of the score.
    group, reference : str, optional
        Whom to compare, by label. By default the largest group is the reference and the group whose outcome differs
        most from it is compared; intervals are then widened for its having been picked (Bonferroni).
    floor : int
        Groups with fewer rows are left out.
    random_state : int

    Returns
    -------
    Gap
        Of one output. `causes` are parts that differ from zero at 99 % after Bonferroni over the features, in a gap
        that differs from zero at 95 %.

    Raises
    ------
    InputError
        When an argument is not what was expected, or no two groups are large enough.

    References
    ----------
    A. Shorrocks, Journal of Economic Inequality 11, 2013 (Shapley splits of group differences); R. Mitchell et al.,
    JMLR 23, 2022 (antithetic walks); A. C. Cameron, J. Gelbach and D. Miller, JBES 29, 2011 (errors of paired rows).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from pellucid.fairness import gap
    >>> rng = np.random.default_rng(0)
    >>> group = np.repeat(["a", "b"], 100)
    >>> X = rng.normal(size=(200, 2)) + (group == "b")[:, None] * [2.0, 0.0]
    >>> found = gap(LinearRegression().fit(X, X @ [1.0, 1.0]), X, sensitive_features=group)
    >>> bool(abs(found.values.sum() - found.total[0]) < 1e-9), [cause.features for cause in found.causes]
    (True, [('x0',)])
    """
    if measure not in ("score", "selection", "error"):
        raise InputError(f"measure must be 'score', 'selection' or 'error'; got {measure!r}.")
    if measure == "error" and y is None:
        raise InputError("measure='error' needs y: the true outcome of every row.")
    given = Table.of(X)
    groupings = read_groupings(sensitive_columns(given, sensitive_features), len(given))
    table, read = own_columns(model, given, groupings)
    decider = read_decider(read, table, y, favorable=favorable, threshold=threshold)
    units = Space.of(space)
    outcome = decider.outcome(measure, units)
    chosen = _chosen(groupings[-1], outcome(table, np.arange(len(table))), group, reference, floor)
    rng = stream(random_state, "fairness.gap.rows")
    rows, others = (_some(np.flatnonzero(groupings[-1].rows(label)), rng) for label in chosen[:2])
    asked = _Asked(
        table=table,
        decider=decider,
        outcome=outcome,
        grouping=groupings[-1],
        group=chosen[0],
        reference=chosen[1],
        rows=rows,
        reference_rows=others,
        measure=measure,
        space=read.resolve(units) if measure == "score" else Space.PROBABILITY,
        level=1 - (1 - LEVEL) / chosen[2],
        random_state=random_state,
    )
    pairs = Pairs.coupled(rows, others, stream(random_state, "fairness.gap.pairs"))
    if measure == "error":
        parts, causes = _of_errors(asked), tuple(_turned_labels(asked, floor))
    else:
        exact = measure == "score" and read.structure_answers(units)
        parts, causes = _exact(asked, units) if exact else _walked(asked, pairs), ()
    return _noun(asked, parts, causes or tuple(_causes(asked, pairs, parts)))


def _chosen(
    grouping: Grouping, outcome: Float1, group: str | None, reference: str | None, floor: int
) -> tuple[str, str, int]:
    """Find the group, the reference, and how many groups the first was picked among."""
    shown, sizes = shown_groups(grouping, floor), grouping.sizes()
    for label in (group, reference):
        if label is not None and label not in shown:
            raise InputError(f"the group {label!r} is unknown or too small; {_known(grouping, shown, floor)}.")
    if len(shown) < 2:
        raise InputError(f"a gap needs two groups of at least {floor} rows; {_known(grouping, shown, floor)}.")
    others = [label for label in shown if label != group]
    base = reference or max(others, key=lambda label: (sizes[label], label))
    if group is not None:
        if group == base:
            raise InputError(f"group and reference must differ; both are {group!r}.")
        return group, base, 1
    mean = {label: float(outcome[grouping.rows(label)].mean()) for label in shown}
    rest = [label for label in shown if label != base]
    return max(rest, key=lambda label: (abs(mean[label] - mean[base]), label)), base, len(rest)


def _known(grouping: Grouping, shown: Names, floor: int) -> str:
    few = len(grouping.labels) - len(shown)
    names = ", ".join(map(repr, shown[:8])) or "none"
    return f"of {len(grouping.labels)} groups {few} are withheld (floor {floor}), and these can be compared: {names}"


def _some(rows: Int1, rng: np.random.Generator) -> Int1:
    if len(rows) <= MOST_ROWS:
        return rows
    return np.sort(rng.choice(rows, size=MOST_ROWS, replace=False))


def _exact(asked: _Asked, units: Space) -> _Parts:
    """Mean exact values of each group against the other as background.

    The values of a row against one background row are minus those of that row against the first, so the second group's
    explanation has the same means with the other sign; it is made for the spread between its rows.
    """
    sides = [asked.table.take(rows) for rows in (asked.rows, asked.reference_rows)]
    options: dict[str, Any] = {"output": asked.decider.output, "space": str(units), "progress": False}
    own, other = (
        Explainer(asked.decider.model, background, **options)(rows).values[:, :, 0]
        for rows, background in (sides, sides[::-1])
    )
    value = own.mean(axis=0)
    return _Parts(
        value=value,
        error=_error_of_means(own, other),
        total=float(value.sum()),
        total_error=float(_error_of_means(own.sum(axis=1), other.sum(axis=1))),
    )


def _walked(asked: _Asked, pairs: Pairs) -> _Parts:
    """Shapley values of every pair's game, estimated along walks and averaged over the pairs."""
    parts, _ = shapley_walks(
        asked.table, pairs.first, pairs.second, asked.outcome, random_state=asked.random_state, purpose="fairness.gap"
    )
    value = pairs.mean(parts)
    ends = (asked.outcome(asked.table.take(rows), rows) for rows in (asked.rows, asked.reference_rows))
    return _Parts(
        value=value,
        error=pairs.error(parts),
        total=float(value.sum()),
        total_error=float(_error_of_means(*ends)),
    )


def _of_errors(asked: _Asked) -> _Parts:
    """Each person's walk from another random person's features to the own ones, with the own outcome throughout."""
    everybody = np.concatenate([asked.rows, asked.reference_rows])
    other = stream(asked.random_state, "fairness.gap.others").choice(everybody, size=len(everybody))
    parts, start = shapley_walks(
        asked.table, everybody, other, asked.outcome, random_state=asked.random_state, purpose="fairness.gap"
    )
    end, n = start + parts.sum(axis=1), len(asked.rows)
    value, base = parts[:n].mean(axis=0) - parts[n:].mean(axis=0), float(start[:n].mean() - start[n:].mean())
    return _Parts(
        value=value,
        error=_error_of_means(parts[:n], parts[n:]),
        total=float(value.sum() + base),
        total_error=float(_error_of_means(end[:n], end[n:])),
        base=base,
    )


def _error_of_means(first: Float2, second: Float2) -> Float1:
    """Standard error of the difference of two groups' means, for each column."""
    variances = (side.var(axis=0, ddof=1) / len(side) if len(side) > 1 else np.inf for side in (first, second))
    return np.asarray(np.sqrt(sum(variances)))


def _noun(asked: _Asked, parts: _Parts, causes: tuple[Cause, ...]) -> Gap:
    z = normal_quantile(asked.level)
    half, whole, total = z * parts.error[:, None], z * parts.total_error, np.array([parts.total])
    sizes = asked.grouping.sizes()
    return Gap(
        grouping=asked.grouping.name,
        group=asked.group,
        reference=asked.reference,
        n=min(sizes[asked.group], MOST_ROWS),
        n_reference=min(sizes[asked.reference], MOST_ROWS),
        features=asked.table.names,
        outputs=(asked.decider.model.outputs[asked.decider.output] if asked.measure == "score" else asked.measure,),
        space=asked.space,
        values=parts.value[:, None].copy(),
        low=parts.value[:, None] - half,
        high=parts.value[:, None] + half,
        base=np.array([parts.base]),
        total=total,
        total_low=total - whole,
        total_high=total + whole,
        measure=asked.measure,
        causes=causes,
    )


def _causes(asked: _Asked, pairs: Pairs, parts: _Parts) -> Iterator[Cause]:
    """Name the features whose part goes the way of the gap, beyond chance; two of them as one where only both do."""
    if abs(parts.total) <= normal_quantile(asked.level) * parts.total_error:
        return
    z = normal_quantile(1 - (1 - CAUSE_LEVEL) / len(parts.value))
    along = parts.value * np.sign(parts.total)
    named = np.flatnonzero((along > z * parts.error) & (along >= SMALLEST_SHARE * abs(parts.total)))
    order = [int(j) for j in named[np.argsort(-along[named], kind="stable")]]
    joint = _joint(asked, pairs, order[:MOST_PAIRED], z) if asked.measure != "error" else {}
    told = {j for pair in joint for j in pair}
    for (j, k), (value, error) in joint.items():
        yield _cause("interaction", (asked.table.names[j], asked.table.names[k]), value, z * error)
    for j in order:
        if j not in told:
            name = asked.table.names[j]
            kind = "direct" if name in asked.grouping.columns or _is_the_group(asked, name) else "proxy"
            yield _cause(kind, (name,), float(parts.value[j]), z * float(parts.error[j]))


def _is_the_group(asked: _Asked, name: str) -> bool:
    """Whether a column is the group under another name: one value in each, and not the same."""
    codes = asked.table.select([name]).codes(asked.table.select([name]).vocabulary())[:, 0]
    values = [np.unique(codes[rows]) for rows in (asked.rows, asked.reference_rows)]
    return all(len(side) == 1 for side in values) and bool(values[0][0] != values[1][0])


def _joint(asked: _Asked, pairs: Pairs, candidates: list[int], z: float) -> dict[tuple[int, int], tuple[float, float]]:
    """Pairs of features that carry a part together and nothing alone, the strongest first, each feature once."""
    none = outcome_with(asked.table, pairs, asked.outcome, [])
    alone = {j: outcome_with(asked.table, pairs, asked.outcome, [j]) - none for j in candidates}
    quiet = [j for j, step in alone.items() if abs(_mean(pairs, step)[0]) <= z * _mean(pairs, step)[1]]
    found: dict[tuple[int, int], tuple[float, float]] = {}
    for j, k in combinations(sorted(quiet), 2):
        value, error = _mean(
            pairs, outcome_with(asked.table, pairs, asked.outcome, [j, k]) - none - alone[j] - alone[k]
        )
        if abs(value) > z * error:
            found[j, k] = value, error
    kept: dict[tuple[int, int], tuple[float, float]] = {}
    for pair, part in sorted(found.items(), key=lambda item: -abs(item[1][0])):
        if not {j for other in kept for j in other} & set(pair):
            kept[pair] = part
    return kept


def _mean(pairs: Pairs, values: Float1) -> tuple[float, float]:
    return float(pairs.mean(values[:, None])[0]), float(pairs.error(values[:, None])[0])


def _cause(kind: Any, features: Names, value: float, half: float) -> Cause:
    size = interval_text(value, value - half, value + half)
    named = " and ".join(f"‘{feature}’" for feature in features)
    sentence = {
        "direct": f"The sensitive column {named} itself carries {size} of it.",
        "proxy": f"{named} carries {size} of it: its values differ between the groups.",
        "interaction": f"{named} carry {size} of it together: neither does alone.",
    }[kind]
    return Cause(kind=kind, features=features, value=value, low=value - half, high=value + half, sentence=sentence)


def _turned_labels(asked: _Asked, floor: int) -> Iterator[Cause]:
    """Name the labels when one group's stand against the score at both of its ends."""
    rows = np.concatenate([asked.rows, asked.reference_rows])
    names = np.where(asked.grouping.rows(asked.group)[rows], "group", "reference")
    truth, score = asked.decider.truth, asked.decider.score
    for found in label_noise(
        truth[rows], score[rows], sensitive_features=names, favorable=True, floor=floor, level=CAUSE_LEVEL
    ):
        if found.evident:
            words = {"group": asked.group, "reference": asked.reference}
            noise = replace(found, group=words[found.group], reference=words[found.reference])
            yield Cause(
                kind="labels", features=(), value=noise.value, low=noise.low, high=noise.high, sentence=noise.sentence
            )
