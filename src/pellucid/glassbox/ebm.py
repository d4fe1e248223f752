"""Explainable boosting machines of the `interpret` package: one curve per feature, a few pairs."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from pellucid._base.optional import optional_import
from pellucid._base.statistics import Z
from pellucid.glassbox._bins import range_text
from pellucid.glassbox.description import GlassDescription
from pellucid.glassbox.encoder import EncodedColumn, TableEncoder
from pellucid.table import Table

LIMITS = {"outer_bags": 3, "max_bins": 64, "max_rounds": 2000}
"""Bags, bins per number and rounds: below interpret's defaults, since the ladder refits on folds."""
PAIRS = 3
"""Pairs of features with a term of their own."""


def build_ebm(task: str, X: Table, random_state: int = 0) -> Pipeline:
    """EBM on encoded columns, one per raw feature.

    Raises
    ------
    MissingDependencyError
        When `interpret` is not installed; the message has the command that installs it.
    """
    glassbox = optional_import("interpret.glassbox", extra="ebm", purpose="the EBM rung")
    encoder = TableEncoder(categories="codes", impute=False)
    columns = encoder.fit(X.native).columns_
    kind = glassbox.ExplainableBoostingRegressor if task == "regression" else glassbox.ExplainableBoostingClassifier
    model = kind(
        feature_names=[column.feature for column in columns],
        feature_types=["nominal" if column.meaning == "code" else "continuous" for column in columns],
        **LIMITS,
        interactions=PAIRS if task != "multiclass" else 0,
        n_jobs=1,
        random_state=random_state,
    )
    return Pipeline([("encoder", encoder), ("model", model)])


@contextmanager
def quiet() -> Iterator[None]:
    """Silence interpret's warning that its own pictures leave missing values out; our tables show them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Missing values detected", category=UserWarning)
        yield


def describe_ebm(fitted: Pipeline) -> GlassDescription:
    """Show the importance of every term, and every feature's curve with the spread over the bags."""
    model, columns = fitted.named_steps["model"], fitted.named_steps["encoder"].columns_
    importance = model.term_importances()
    order = np.argsort(-importance, kind="stable")
    names = [" × ".join(columns[j].feature for j in features) for features in model.term_features_]
    curves: dict[str, list[Any]] = {name: [] for name in ("feature", "output", "value", "score", "low", "high")}
    for term in order:
        features = model.term_features_[term]
        if len(features) == 1:
            _add_curve(curves, model, int(term), columns[features[0]])
    mains = sum(len(features) == 1 for features in model.term_features_)
    pairs = len(names) - mains
    return GlassDescription(
        title="Explainable boosting machine",
        sentences=(
            "The score is an intercept plus one curve per feature"
            + (f" and {pairs} surfaces of two features." if pairs else "."),
            "low and high are the curve ± 1.96 standard deviations over the bags of training rows.",
        ),
        complexity=f"{mains} curves" + (f" and {pairs} pairs" if pairs else ""),
        tables={
            "terms": {"term": [names[i] for i in order], "importance": [float(importance[i]) for i in order]},
            "curves": curves,
        },
    )


def _add_curve(curves: dict[str, list[Any]], model: Any, term: int, column: EncodedColumn) -> None:
    scores = np.asarray(model.term_scores_[term])
    spread = np.asarray(model.standard_deviations_[term])
    scores, spread = scores.reshape(len(scores), -1), spread.reshape(len(spread), -1)
    outputs = _outputs(model, scores.shape[1])
    for bin_, label in _labels(model, term, column):
        for k, output in enumerate(outputs):
            curves["feature"].append(column.feature)
            curves["output"].append(output)
            curves["value"].append(label)
            curves["score"].append(float(scores[bin_, k]))
            curves["low"].append(float(scores[bin_, k] - Z * spread[bin_, k]))
            curves["high"].append(float(scores[bin_, k] + Z * spread[bin_, k]))


def _outputs(model: Any, n: int) -> list[str]:
    if not hasattr(model, "classes_"):
        return ["prediction"]
    return [str(model.classes_[1])] if n == 1 else [str(label) for label in model.classes_]


def _labels(model: Any, term: int, column: EncodedColumn) -> list[tuple[int, str]]:
    """Positions in interpret's score array (0 is missing, the last is unknown) and what they mean."""
    bins = model.bins_[model.term_features_[term][0]][0]
    weights = model.bin_weights_[term]
    labels = [(0, "missing")] if weights[0] > 0 else []
    if isinstance(bins, dict):
        for key, position in bins.items():
            code = round(float(key))
            labels.append((position, column.levels[code] if 0 <= code < len(column.levels) else "any other"))
        return labels
    cuts = [None, *np.asarray(bins).tolist(), None]
    return labels + [(i + 1, range_text(cuts[i], cuts[i + 1])) for i in range(len(cuts) - 1)]
