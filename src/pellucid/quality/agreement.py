"""Agreement: whether two explanations tell the same story, and what differs where they do not."""

from dataclasses import dataclass

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.numbers import figure, percent, percent_interval
from pellucid._base.statistics import Z
from pellucid._base.typing import Float1, Float3
from pellucid.explanation import Explanation
from pellucid.quality.measures import (
    Measured,
    measured,
    need_rows,
    rank_correlation,
    ranks,
    sign_agreement,
    top_overlap,
)

HIGH = 0.8
"""Rank correlation from which two explanations count as telling the same story."""
LOW_R2 = 0.5
CORRELATED = 0.5
ENOUGH_ROWS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Agreement:
    """How alike two explanations of the same rows are, 1 being identical.

    Parameters
    ----------
    rank_correlation, sign_agreement, top_overlap : Measured
        Means over rows.
    by_row : array of shape (rows,)
        Rank correlation of each row.
    top_k : int
        Size of the compared sets of largest features.
    causes : tuple of str
        Measured differences that can explain a disagreement; empty when there is none to explain.
    sentence : str
        The finding in plain words, without the causes.
    """

    rank_correlation: Measured
    sign_agreement: Measured
    top_overlap: Measured
    by_row: Float1
    top_k: int
    causes: tuple[str, ...]
    sentence: str


def agreement(a: Explanation, b: Explanation, *, top_k: int = 3, random_state: int = 0) -> Agreement:
    """Compare two explanations of the same rows, feature by feature.

    Compared are orders, signs and sets of largest features, not sizes: two methods may answer in different
    units. Intervals are 95 % bootstrap intervals over rows.

    Parameters
    ----------
    a, b : Explanation
        Of the same rows; features are matched by name, and the outputs that both have are compared.
    top_k : int
    random_state : int

    Raises
    ------
    InputError
        When rows, features or outputs do not match.

    Examples
    --------
    >>> import pellucid
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = Ridge(alpha=0.1).fit(X, y)
    >>> explainer = pellucid.Explainer(model, X)
    >>> lime = pellucid.Explainer(model, X, method="lime")
    >>> found = pellucid.quality.agreement(explainer(X.head(20)), lime(X.head(20)))
    >>> bool(found.rank_correlation.value > 0.5)
    True
    """
    need_rows(len(a), "agreement")
    left, right = _matched(a, b)
    if top_k < 1:
        raise InputError(f"top_k must be at least 1; got {top_k!r}.")
    by_row = rank_correlation(left, right)
    rank = measured(by_row, random_state)
    overlap = measured(top_overlap(left, right, top_k), random_state)
    causes = _causes(a, b, left, right, top_k) if rank.value < HIGH else ()
    verb = "agree" if rank.value >= HIGH else "disagree"
    return Agreement(
        rank_correlation=rank,
        sign_agreement=measured(sign_agreement(left, right), random_state),
        top_overlap=overlap,
        by_row=by_row,
        top_k=top_k,
        causes=causes,
        sentence=(
            f"{_method(a)} and {_method(b)} {verb} on {len(a)} rows: the rank correlation is {rank}, and they share "
            f"{percent_interval(overlap.value, overlap.low, overlap.high)} of the {min(top_k, len(a.features))} "
            "leading features."
        ),
    )


def _method(explanation: Explanation) -> str:
    """Name what a method answers with: Shapley values, or the method's own name."""
    name = explanation.provenance.method
    if name == "lime":
        return "LIME"
    return name if explanation.quality.bound is None else f"Shapley values ({name})"


def _matched(a: Explanation, b: Explanation) -> tuple[Float3, Float3]:
    if len(a) != len(b):
        raise InputError(f"agreement needs explanations of the same rows; got {len(a)} and {len(b)} rows.")
    rows_a, rows_b = a.provenance.hashes.get("rows"), b.provenance.hashes.get("rows")
    if rows_a and rows_b and rows_a != rows_b and a.features == b.features:
        raise InputError("agreement needs explanations of the same rows; the rows of these two differ.")
    if set(a.features) != set(b.features):
        odd = sorted(set(a.features) ^ set(b.features))
        raise InputError(
            f"agreement needs the same features; only one explanation has {', '.join(map(repr, odd[:6]))}."
        )
    outputs = [name for name in a.outputs if name in b.outputs]
    if not outputs:
        raise InputError(f"agreement needs a common output; got {a.outputs} and {b.outputs}.")
    kept_a, kept_b = a.take(outputs=outputs), b.take(features=a.features, outputs=outputs)
    return kept_a.values, kept_b.values


def _causes(a: Explanation, b: Explanation, left: Float3, right: Float3, top_k: int) -> tuple[str, ...]:
    found = [_different_spaces(a, b), _different_backgrounds(a, b), _sampling(a, b, left, right)]
    found += [_poor_surrogate(one) for one in (a, b)]
    found.append(_correlated(a, left, right, top_k))
    return tuple(cause for cause in found if cause)


def _different_spaces(a: Explanation, b: Explanation) -> str:
    if a.space is b.space:
        return ""
    return f"They answer in different units: {a.space} and {b.space}."


def _different_backgrounds(a: Explanation, b: Explanation) -> str:
    one, two = a.provenance.hashes.get("background"), b.provenance.hashes.get("background")
    if one == two:
        return ""
    return (
        "They hide features differently: "
        f"{_method(a)}: {a.provenance.background}; {_method(b)}: {b.provenance.background}."
    )


def _poor_surrogate(one: Explanation) -> str:
    r2 = one.quality.local_r2
    if r2 is None or np.median(r2) >= LOW_R2:
        return ""
    return (
        f"The model is not linear around these rows: in the median row {_method(one)}’s linear model explains "
        f"{percent(float(np.median(r2)))} of the local variance."
    )


def _sampling(a: Explanation, b: Explanation, left: Float3, right: Float3) -> str:
    """Only where both answer the same question does a difference measure sampling error."""
    if a.space is not b.space or (a.quality.bound is None) != (b.quality.bound is None):
        return ""
    names = [name for name in a.outputs if name in b.outputs]
    errors = [one.take(features=a.features, outputs=names).std_error for one in (a, b)]
    variance = sum(error**2 for error in errors if error is not None)
    if isinstance(variance, int):
        return ""
    within = float((np.abs(left - right) <= Z * np.sqrt(variance)).mean())
    if within < 0.9:
        return ""
    return (
        f"Sampling error alone can make the difference: {percent(within)} of the values agree within it. Raise budget=."
    )


def _correlated(a: Explanation, left: Float3, right: Float3, top_k: int) -> str:
    """Name the most correlated pair among the features that either puts on top."""
    if a.data is None or len(a) < ENOUGH_ROWS:
        return ""
    size = np.abs(left).mean(axis=(0, 2)), np.abs(right).mean(axis=(0, 2))
    top = sorted({int(j) for one in size for j in np.argsort(-one, kind="stable")[:top_k]})
    codes = a.data.codes(a.data.vocabulary())[:, top]
    codes = codes[~np.isnan(codes).any(axis=1)]
    # Codes of more than two categories have no order to correlate.
    levels = [len(np.unique(codes[:, k])) for k in range(len(top))]
    varied = [k for k, j in enumerate(top) if levels[k] == 2 or (levels[k] > 2 and a.data.kinds[j] == "number")]
    if len(varied) < 2 or len(codes) < ENOUGH_ROWS:
        return ""
    correlation = np.atleast_2d(np.corrcoef(np.stack([ranks(codes[:, k]) for k in varied])))
    strength = np.triu(np.abs(correlation), 1)
    i, j = np.unravel_index(int(strength.argmax()), strength.shape)
    if strength[i, j] < CORRELATED:
        return ""
    first, second = (a.features[top[varied[k]]] for k in (int(i), int(j)))
    return (
        f"Leading features go together: ‘{first}’ and ‘{second}’ have rank correlation "
        f"{figure(float(correlation[i, j]))} over {len(codes)} rows, so methods may credit either."
    )
