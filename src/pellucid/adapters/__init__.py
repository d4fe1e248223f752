"""From any library's model to `ir.Model`."""

from typing import Any

from pellucid._base.errors import UnsupportedModelError
from pellucid.adapters.files import load_callable, load_model
from pellucid.adapters.function import as_function_model
from pellucid.adapters.proof import prove
from pellucid.adapters.reading import finish
from pellucid.adapters.registry import READERS, read
from pellucid.ir import Model, Space
from pellucid.table import Table

__all__ = ["READERS", "as_model", "load_callable", "load_model", "prove", "read"]


def as_model(model: Any, *, reference: Table | None = None, predict_space: Space | str | None = None) -> Model:
    """Read a model of any supported library, or any callable.

    Parameters
    ----------
    model : fitted estimator, Booster, pipeline, callable or ir.Model
    reference : Table, optional
        A few rows of the model's features: a callable is asked for its number of outputs with them,
        and the columns a pipeline makes are traced back to raw features with them.
    predict_space : {"raw", "probability"}, optional
        What a callable returns; "probability" when each row has one probability per class.

    Raises
    ------
    UnsupportedModelError
        When the object is neither a known model nor callable.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> model = as_model(LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]))
    >>> model.outputs, type(model.structure).__name__
    (('prediction',), 'LinearForm')
    """
    if isinstance(model, Model):
        return model
    if isinstance(model, type):
        raise UnsupportedModelError(f"expected a fitted model, got the class {model.__name__}. Fit an instance first.")
    known = READERS.find(model) is not None or hasattr(model, "predict")
    if callable(model) and not known:
        return as_function_model(model, reference, Space.of(predict_space or "raw"))
    return finish(read(model, reference))
