"""A structure proves itself on rows before anything is computed from it."""

import numpy as np

from pellucid._base.errors import AdapterMismatchError
from pellucid.ir import Model, TreeEnsemble
from pellucid.table import Table

PROOF_ROWS = 64


def prove(model: Model, X: Table) -> float:
    """Compare the structure with the model's own output on up to 64 rows.

    Returns
    -------
    float
        Largest absolute difference; 0.0 for a model without structure.

    Raises
    ------
    AdapterMismatchError
        When they differ by more than rounding can explain.
    """
    if model.structure is None or model.encoding is None or not len(X):
        return 0.0
    rows = X.take(range(min(PROOF_ROWS, len(X))))
    columns = model.encoding.transform(rows)
    read = model.structure_outputs(model.structure.predict(columns))
    said = model.predict(rows)
    if isinstance(model.structure, TreeEnsemble):
        bound = model.structure.rounding_bound()
    else:
        bound = model.structure.rounding_bound(columns)
    gap = np.abs(read - said).max(axis=1)
    worst = int(np.argmax(np.nan_to_num(gap, nan=np.inf)))
    if not gap[worst] <= bound:
        raise AdapterMismatchError(
            f"our reading of {model.label} differs from its own prediction by {gap[worst]:.3g} at row {worst}, more "
            f"than rounding explains ({bound:.3g}). Use method='shapley', which explains it without reading its "
            "structure, and please report the model."
        )
    return float(gap[worst])
