"""scikit-learn's TransformedTargetRegressor: rescaled exactly where the transformer is affine."""

from dataclasses import replace
from typing import Any

import numpy as np

from pellucid._base.typing import Float1
from pellucid.adapters import registry
from pellucid.adapters.reading import Reading, require_fitted
from pellucid.ir import LinearForm, TreeEnsemble
from pellucid.table import Table

PROBES = np.array([0.0, 1.0, -1.0, 0.37, 11.0, -163.0])


def read_transformed_target(model: Any, reference: Table | None) -> Reading:
    """Read the inner regressor and carry its outputs back to the target's own scale."""
    require_fitted(model, "regressor_")
    inner = registry.read(model.regressor_, reference)
    reading = replace(inner, raw=model.predict, label=f"TransformedTargetRegressor of {inner.label}")
    if inner.structure is None:
        return reading
    affine = _affine(model.transformer_, len(inner.outputs))
    if affine is None:
        return reading.without_structure(
            "its target transformer is not affine; explain model.regressor_ for exact values on the transformed scale"
        )
    return replace(reading, structure=_rescaled(inner.structure, *affine))


def _affine(transformer: Any, n_outputs: int) -> tuple[Float1, Float1] | None:
    """Slope and offset of inverse_transform per output, or None where it is not affine."""
    probes = np.repeat(PROBES[:, None], n_outputs, axis=1)
    try:
        image = np.asarray(transformer.inverse_transform(probes), dtype=np.float64).reshape(len(PROBES), -1)
    except (ValueError, FloatingPointError, OverflowError):
        return None
    if image.shape != probes.shape or not np.all(np.isfinite(image)):
        return None
    offset = image[0]
    slope = image[1] - image[0]
    expected = offset + slope * probes
    tolerance = 64 * np.finfo(float).eps * (np.abs(offset) + np.abs(slope) * np.abs(probes))
    return (slope, offset) if np.all(np.abs(image - expected) <= tolerance) else None


def _rescaled(structure: TreeEnsemble | LinearForm, slope: Float1, offset: Float1) -> TreeEnsemble | LinearForm:
    if isinstance(structure, LinearForm):
        return replace(
            structure,
            coefficients=structure.coefficients * slope[:, None],
            sizes=None if structure.sizes is None else structure.sizes * np.abs(slope[:, None]),
            intercept=structure.intercept * slope + offset,
        )
    # Trees of one output each, or of all outputs: every node's value is scaled by its own output's slope.
    width = structure.value.shape[1]
    tree_of_node = np.searchsorted(np.sort(structure.roots), np.arange(len(structure.feature)), side="right") - 1
    first = structure.output[np.argsort(structure.roots)][tree_of_node]
    return replace(
        structure,
        value=structure.value * slope[first[:, None] + np.arange(width)],
        base=structure.base * slope + offset,
    )
