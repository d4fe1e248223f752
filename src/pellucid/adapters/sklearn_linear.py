"""scikit-learn's linear models: regressions, logistic models, linear support vector machines."""

from typing import Any

import numpy as np

from pellucid._base.errors import UnsupportedModelError
from pellucid._base.typing import Float2
from pellucid.adapters.estimator import read_classifier as read_unstructured_classifier
from pellucid.adapters.estimator import read_estimator
from pellucid.adapters.reading import (
    Reading,
    class_names,
    fitted_names,
    fitted_width,
    mirrored_margin,
    output_names,
    require_fitted,
)
from pellucid.ir import LinearForm, Space
from pellucid.table import Table

# Classifiers whose binary margin is the log-odds of their own predict_proba.
LOGISTIC = frozenset({"LogisticRegression", "LogisticRegressionCV", "LinearDiscriminantAnalysis"})


def read_regressor(model: Any, reference: Table | None) -> Reading:
    """Read ``X @ coef_ + intercept_``, which is what predict computes."""
    if _kernel(model) != "linear":
        return read_estimator(model, reference)
    require_fitted(model, "coef_")
    form = _form(model)
    return Reading(outputs=output_names(len(form.intercept)), raw=model.predict, structure=form, **_shared(model))


def read_classifier(model: Any, _reference: Table | None) -> Reading:
    """Read the margins of a linear classifier."""
    require_fitted(model, "classes_")
    classes = np.asarray(model.classes_)
    if _kernel(model) != "linear":
        shared = _shared(model) | {"why_no_structure": f"a {model.kernel} kernel has no coefficients per feature"}
        return read_unstructured_classifier(model, classes, shared)
    binary = len(classes) == 2
    if hasattr(model, "support_vectors_") and not binary:
        why = "with more than two classes it votes over pairs of classes, which is not linear"
        return read_unstructured_classifier(model, classes, _shared(model) | {"why_no_structure": why})
    form = _form(model)
    if len(form.intercept) != (1 if binary else len(classes)):
        raise UnsupportedModelError(
            f"{type(model).__name__} has {len(form.intercept)} margins for {len(classes)} classes, as a model with "
            "several labels per row has. Explain one label at a time: pass lambda X: model.decision_function(X)[:, 0]."
        )
    return Reading(
        outputs=class_names(classes),
        classes=classes,
        raw=(lambda X: mirrored_margin(model.decision_function(X))) if binary else model.decision_function,
        raw_space=Space.LOG_ODDS if binary and _has_logistic_link(model) else Space.RAW,
        probability=getattr(model, "predict_proba", None),
        structure=form,
        mirrored=binary,
        **_shared(model),
    )


def _kernel(model: Any) -> str:
    """Kernel of a support vector machine; everything else here is linear."""
    return str(getattr(model, "kernel", "linear"))


def _has_logistic_link(model: Any) -> bool:
    name = type(model).__name__
    # Under multi_class="multinomial" (scikit-learn < 1.8) the binary log-odds are twice the margin.
    logistic = name in LOGISTIC and getattr(model, "multi_class", None) != "multinomial"
    return logistic or (name == "SGDClassifier" and model.loss == "log_loss")


def _form(model: Any) -> LinearForm:
    coefficients = model.coef_
    if hasattr(coefficients, "toarray"):
        coefficients = coefficients.toarray()
    coefficients = np.atleast_2d(np.asarray(coefficients))
    intercept = np.broadcast_to(np.asarray(model.intercept_, dtype=np.float64).ravel(), (len(coefficients),))
    return LinearForm(
        coefficients=np.array(coefficients, dtype=np.float64),
        intercept=np.array(intercept),
        sum_dtype="float32" if coefficients.dtype == np.float32 else "float64",
        sizes=_support_sizes(model) if hasattr(model, "support_vectors_") else None,
    )


def _support_sizes(model: Any) -> Float2:
    """Sizes of the terms in libsvm's sum over support vectors, times their number."""
    vectors, weights = (
        np.abs(part.toarray() if hasattr(part, "toarray") else part)
        for part in (model.support_vectors_, model.dual_coef_)
    )
    return np.asarray((1 + len(vectors)) * (weights @ vectors), dtype=np.float64)


def _shared(model: Any) -> dict[str, Any]:
    return {"label": type(model).__name__, "names": fitted_names(model), "n_features": fitted_width(model)}
