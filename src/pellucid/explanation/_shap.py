"""To and from `shap.Explanation`, by its rules of shape."""

from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.optional import optional_import
from pellucid._base.typing import Array, Names
from pellucid.explanation.provenance import Provenance
from pellucid.explanation.quality import Quality
from pellucid.ir import Space
from pellucid.table import Table

NOT_MEASURED = "The residual against the model was not measured: the values were taken over without its predictions."


def shap_of(explanation: Any) -> Any:
    """Make a `shap.Explanation` of ours; one output loses its axis."""
    shap = optional_import("shap", extra="shap", purpose="to_shap()")
    single = len(explanation.outputs) == 1
    cut = (..., 0) if single else (...,)
    data, display = _shap_data(explanation.data, explanation.features)
    return shap.Explanation(
        values=explanation.values[cut].copy(),
        base_values=explanation.base_values[cut].copy(),
        data=data,
        display_data=display,
        feature_names=list(explanation.features),
        output_names=None if single else list(explanation.outputs),
        error_std=None if explanation.std_error is None else explanation.std_error[cut].copy(),
        compute_time=explanation.provenance.seconds,
    )


def _shap_data(data: Table | None, features: Names) -> tuple[Array | None, Array | None]:
    """Numbers for shap's colours, and the cells as they are where some are not numbers."""
    if data is None or not set(features) <= set(data.names):
        return None, None
    data = data.select(features)
    vocabulary = data.vocabulary()
    return data.codes(vocabulary), np.array(data.as_array()) if vocabulary else None


def fields_of_shap(
    given: Any, *, space: str, features: Names | None, outputs: Names | None, predictions: Any
) -> dict[str, Any]:
    """Fields of our `Explanation` with the values of a `shap.Explanation`."""
    values = np.asarray(given.values, dtype=np.float64)
    base = np.asarray(given.base_values, dtype=np.float64)
    if values.ndim == 1:
        values, base = values[None, :], base.reshape(1, -1) if base.ndim else base
    if values.ndim == 2:
        values = values[:, :, None]
    if values.ndim != 3:
        raise InputError(
            f"a shap.Explanation must have values of shape (rows, features) or (rows, features, outputs); "
            f"got {np.shape(given.values)}. Interaction values cannot be taken over."
        )
    rows, n_features, n_outputs = values.shape
    if base.ndim == 1:
        base = base[:, None] if n_outputs == 1 else base[None, :]
    try:
        base = np.broadcast_to(base, (rows, n_outputs))
    except ValueError as error:
        raise InputError(
            f"base_values of shape {np.shape(given.base_values)} do not fit values of shape {np.shape(given.values)}."
        ) from error
    names = features or _names(given.feature_names, n_features, "x")
    labels = (
        outputs or _names(given.output_names, n_outputs, "output ") if n_outputs > 1 else outputs or ("prediction",)
    )
    residual = np.nan
    if predictions is not None:
        predicted = np.asarray(predictions, dtype=np.float64).reshape(rows, n_outputs)
        residual = float(np.abs(base + values.sum(axis=1) - predicted).max(initial=0.0))
    return {
        "values": values,
        "base_values": base,
        "features": names,
        "outputs": labels,
        "space": Space.of(space),
        "quality": Quality(residual=residual, bound=None, warnings=() if predictions is not None else (NOT_MEASURED,)),
        "provenance": Provenance(method="shap", reason="taken over from shap.", model="a model explained by shap"),
        "data": _table(given, names, rows),
        "std_error": None if given.error_std is None else np.asarray(given.error_std).reshape(values.shape),
    }


def _names(given: Any, count: int, prefix: str) -> Names:
    if given is None or isinstance(given, str) or len(given) != count:
        return tuple(f"{prefix}{i}" for i in range(count))
    return tuple(map(str, given))


def _table(given: Any, names: Names, rows: int) -> Table | None:
    cells = given.display_data if given.display_data is not None else given.data
    if cells is None:
        return None
    shaped = cells if hasattr(cells, "columns") else np.asarray(cells).reshape(rows, len(names))
    return Table.of(shaped, names=names)
