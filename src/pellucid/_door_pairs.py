"""The doors for pairs of features: `interactions` and `pairs`."""

from collections.abc import Sequence
from typing import Any

from pellucid._base.progress import Progress
from pellucid._door import Explainer, own_tables
from pellucid.explainers.base import Method
from pellucid.explainers.groups import Groups, grouped
from pellucid.explanation import Interactions, Pairs


def interactions(
    model: Any,
    X: Any,
    *,
    background: Any = None,
    groups: Groups | None = None,
    method: str | Method = "auto",
    output: str | int | Sequence[str | int] | None = None,
    budget: int | None = None,
    random_state: int = 0,
    n_jobs: int | None = None,
    progress: Progress = None,
) -> Interactions:
    """Explain how pairs of features move a model's output together.

    Tree ensembles are read. Any other model needs `background` and is asked for all coalitions of its features:
    without a `budget` up to 2^14 with ``method="exact"``, else as many as the budget says. Where the budget is smaller
    coalitions are sampled, and the answer has standard errors. Parameters are those of `Explainer`, `groups` that of
    `explain`: pairs are then pairs of groups, of a model that is asked as a function.

    Returns
    -------
    Interactions
        Values of shape (rows, features, features, outputs): symmetric, a matrix's lines add up to the Shapley
        values, the diagonal has the main effects.

    Examples
    --------
    >>> import pellucid
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = RandomForestRegressor(n_estimators=10, random_state=0).fit(X, y)
    >>> pellucid.interactions(model, X.head(3)).values.shape
    (3, 10, 10, 1)
    """
    options: dict[str, Any] = {
        "method": method,
        "output": output,
        "budget": budget,
        "random_state": random_state,
        "n_jobs": n_jobs,
        "progress": progress,
    }
    if groups is None:
        return Explainer(model, background, **options).interactions(X)
    asked = grouped(*own_tables(model, X, background, method, "groups="), groups)
    return asked.told(Explainer(asked.model, asked.background, **options).interactions(asked.X))


def pairs(
    model: Any,
    X: Any,
    *,
    feature: str | None = None,
    top: int | None = None,
    background: Any = None,
    method: str | Method = "auto",
    output: str | int | Sequence[str | int] | None = None,
    n_jobs: int | None = None,
) -> Pairs:
    """Explain how one feature of a tree ensemble interacts with each other, or which pairs interact most.

    For wide tables, where the matrix of `interactions` would be too large. Parameters are those of
    `Explainer` and `Explainer.pairs`.

    Returns
    -------
    Pairs
        Values of shape (rows, pairs, outputs), the largest pairs first.

    Examples
    --------
    >>> import pellucid
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = RandomForestRegressor(n_estimators=10, random_state=0).fit(X, y)
    >>> pellucid.pairs(model, X.head(50), feature="bmi", top=3).second[:2]
    ('bmi', 's5')
    """
    explainer = Explainer(model, background, method=method, output=output, n_jobs=n_jobs)
    return explainer.pairs(X, feature=feature, top=top)
