"""Groups of people as text labels."""

from itertools import pairwise

import numpy as np

from pellucid._base.typing import Array

MOST_VALUES = 10
MISSING = "(missing)"


def group_labels(values: Array) -> Array:
    """Return each row's group as text.

    Numbers with more than ten values are cut at their quartiles; what is missing is a group of its own.

    Parameters
    ----------
    values : array of shape (rows,)
        Float64 with NaN, or objects with None.

    Examples
    --------
    >>> import numpy as np
    >>> group_labels(np.array([0.0, 1.0, np.nan])).tolist()
    ['0', '1', '(missing)']
    """
    labels = np.full(len(values), MISSING, dtype=object)
    if values.dtype.kind != "f":
        present = np.array([value is not None for value in values.tolist()], dtype=bool)
        labels[present] = [str(value) for value in values[present].tolist()]
        return labels
    present = ~np.isnan(values)
    numbers = values[present]
    if len(np.unique(numbers)) <= MOST_VALUES:
        labels[present] = [f"{value:g}" for value in numbers]
        return labels
    cuts = np.unique(np.quantile(numbers, [0.25, 0.5, 0.75]))
    edges = [f"{cut:.4g}" for cut in cuts]
    words = [f"up to {edges[0]}"]
    words += [f"above {low} up to {high}" for low, high in pairwise(edges)]
    words.append(f"above {edges[-1]}")
    labels[present] = [words[i] for i in np.searchsorted(cuts, numbers, side="left")]
    return labels
