"""P-values for many questions at once."""

import numpy as np

from pellucid._base.typing import Array


def holm(p_values: Array) -> Array:
    """Adjust p-values for the number of questions, so that no more than the level's share of families errs (Holm 1979).

    Examples
    --------
    >>> import numpy as np
    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    flat = np.asarray(p_values, dtype=np.float64).ravel()
    order = np.argsort(flat, kind="stable")
    raised = flat[order] * np.arange(len(flat), 0, -1)
    adjusted = np.empty_like(flat)
    adjusted[order] = np.maximum.accumulate(raised).clip(max=1.0)
    return adjusted.reshape(np.shape(p_values))
