"""Any estimator with scikit-learn's methods, known by its predictions alone."""

from typing import Any

import numpy as np

from pellucid._base.errors import ModelError, UnsupportedModelError
from pellucid._base.typing import Array
from pellucid.adapters.reading import (
    Reading,
    call,
    class_names,
    feed,
    fitted_names,
    fitted_width,
    mirrored_margin,
    output_names,
)
from pellucid.ir import Space
from pellucid.table import Table


def read_estimator(model: Any, reference: Table | None) -> Reading:
    """Read by predict_proba, else decision_function (classifiers), else predict."""
    shared: dict[str, Any] = {
        "label": type(model).__name__,
        "names": fitted_names(model),
        "n_features": fitted_width(model),
        "why_no_structure": f"{type(model).__name__} is only known by its predictions",
    }
    if getattr(model, "_estimator_type", None) == "clusterer" or hasattr(model, "fit_predict"):
        return _read_scores(model, shared)
    classes = getattr(model, "classes_", None)
    if classes is None:
        return Reading(outputs=output_names(_regression_outputs(model, reference)), raw=model.predict, **shared)
    if isinstance(classes, list):
        raise UnsupportedModelError(
            f"{type(model).__name__} has several targets, each with its own classes. Explain one at a time: pass "
            "a function such as lambda X: model.predict_proba(X)[0]."
        )
    return read_classifier(model, np.asarray(classes), shared)


def read_classifier(model: Any, classes: Array, shared: dict[str, Any]) -> Reading:
    """Classifier by its probabilities, else by its margins."""
    if hasattr(model, "predict_proba"):
        return Reading(
            outputs=class_names(classes),
            classes=classes,
            raw=model.predict_proba,
            raw_space=Space.PROBABILITY,
            probability=model.predict_proba,
            **shared,
        )
    if not hasattr(model, "decision_function"):
        raise UnsupportedModelError(
            f"{type(model).__name__} gives labels only, neither predict_proba nor decision_function. Pass a "
            "function that returns numbers, such as lambda X: (model.predict(X) == 'yes').astype(float)."
        )
    binary = len(classes) == 2
    return Reading(
        outputs=class_names(classes),
        classes=classes,
        raw=(lambda X: mirrored_margin(model.decision_function(X))) if binary else model.decision_function,
        **shared,
    )


def _read_scores(model: Any, shared: dict[str, Any]) -> Reading:
    """Outlier detectors by their score; clusterers have no number to explain."""
    if not hasattr(model, "score_samples"):
        raise UnsupportedModelError(
            f"{type(model).__name__} returns labels of clusters or outliers, not numbers. Pass a function that "
            "returns numbers, such as lambda X: model.transform(X) or lambda X: model.decision_function(X)."
        )
    return Reading(outputs=("score",), raw=model.score_samples, **shared)


def _regression_outputs(model: Any, reference: Table | None) -> int:
    """Count regression targets: from a prediction where there are rows, else one."""
    if reference is None or not len(reference):
        return 1
    probe = Reading(
        label=type(model).__name__,
        outputs=(),
        raw=model.predict,
        names=fitted_names(model),
        n_features=fitted_width(model),
    )
    shape = np.shape(call(probe.label, model.predict, feed(reference.take([0]), probe)))
    if 0 in shape:
        raise ModelError(f"{probe.label} must return one number (or one per output) for each row; got shape {shape}.")
    return shape[1] if len(shape) == 2 else 1
