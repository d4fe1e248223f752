"""Which adapter reads which class: one line per class name."""

from typing import Any

from pellucid._base.dispatch import LazyDispatch
from pellucid._base.errors import ModelError, PellucidError, UnsupportedModelError
from pellucid.adapters.estimator import read_estimator
from pellucid.adapters.reading import Reading
from pellucid.table import Table

HERE = "pellucid.adapters"

READERS = LazyDispatch()

for _handler, _names in {
    f"{HERE}.sklearn_linear:read_regressor": (
        "sklearn.linear_model._base.LinearModel",
        "sklearn.linear_model._stochastic_gradient.BaseSGDRegressor",
        "sklearn.svm._classes.SVR",
        "sklearn.svm._classes.NuSVR",
    ),
    f"{HERE}.sklearn_linear:read_classifier": (
        "sklearn.linear_model._base.LinearClassifierMixin",
        "sklearn.svm._classes.SVC",
        "sklearn.svm._classes.NuSVC",
    ),
    f"{HERE}.sklearn_trees:read_tree": (
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._classes.DecisionTreeRegressor",
    ),
    f"{HERE}.sklearn_trees:read_forest": (
        "sklearn.ensemble._forest.ForestClassifier",
        "sklearn.ensemble._forest.ForestRegressor",
    ),
    f"{HERE}.sklearn_trees:read_bagging": (
        "sklearn.ensemble._bagging.BaggingClassifier",
        "sklearn.ensemble._bagging.BaggingRegressor",
    ),
    f"{HERE}.sklearn_trees:read_isolation_forest": ("sklearn.ensemble._iforest.IsolationForest",),
    f"{HERE}.sklearn_trees:read_gradient_boosting": (
        "sklearn.ensemble._gb.GradientBoostingClassifier",
        "sklearn.ensemble._gb.GradientBoostingRegressor",
    ),
    f"{HERE}.sklearn_trees:read_hist_gradient_boosting": (
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor",
    ),
    f"{HERE}.pipelines:read_pipeline": ("sklearn.pipeline.Pipeline",),
    f"{HERE}.pipelines:read_search": ("sklearn.model_selection._search.BaseSearchCV",),
    f"{HERE}.target:read_transformed_target": ("sklearn.compose._target.TransformedTargetRegressor",),
    f"{HERE}.xgboost:read_estimator": ("xgboost.sklearn.XGBModel",),
    f"{HERE}.xgboost:read_booster": ("xgboost.core.Booster",),
    f"{HERE}.lightgbm:read_estimator": ("lightgbm.sklearn.LGBMModel",),
    f"{HERE}.lightgbm:read_booster": ("lightgbm.basic.Booster",),
    f"{HERE}.catboost:read": ("catboost.core.CatBoost",),
    f"{HERE}.onnx:read": (f"{HERE}.onnx.OnnxModel",),
    f"{HERE}.onnx:read_proto": ("onnx.onnx_ml_pb2.ModelProto",),
}.items():
    for _name in _names:
        READERS.register(_name, _handler)


def read(model: Any, reference: Table | None) -> Reading:
    """Read one fitted object; `reference` has rows in the model's own features, where there are some.

    Raises
    ------
    UnsupportedModelError
        When nobody here knows such an object.
    ModelError
        When it is known, but not made as such a model is.
    """
    reader = READERS.find(model)
    if reader is None and hasattr(model, "predict") and not isinstance(model, type):
        reader = read_estimator
    if reader is None:
        raise UnsupportedModelError(
            f"cannot explain a {type(model).__module__}.{type(model).__qualname__}. Pass a fitted estimator with "
            "predict or predict_proba, a Booster, or a function that takes rows and returns one number (or one "
            "number per output) for each."
        )
    try:
        reading: Reading = reader(model, reference)
    except PellucidError:
        raise
    except Exception as error:
        raise ModelError(
            f"the {type(model).__name__} could not be read: {type(error).__name__}: {error}. If it predicts by itself, "
            "its library has a version that is not known here; pass its predict function instead."
        ) from error
    return reading
