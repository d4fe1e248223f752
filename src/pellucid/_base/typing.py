"""Array aliases that carry their shapes in their names."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Float1: TypeAlias = NDArray[np.float64]
"""Vector of float64."""
Float2: TypeAlias = NDArray[np.float64]
"""Matrix of float64, most often (rows, outputs) or (rows, columns)."""
Float3: TypeAlias = NDArray[np.float64]
"""Float64 of shape (rows, features, outputs)."""
Int1: TypeAlias = NDArray[np.int64]
"""Vector of row numbers, column numbers or counts."""
Int2: TypeAlias = NDArray[np.int64]
"""Matrix of row numbers."""
Bool1: TypeAlias = NDArray[np.bool_]
"""Vector of flags."""
Bool2: TypeAlias = NDArray[np.bool_]
"""Coalitions of shape (coalitions, players): True where the player is shown."""
Array: TypeAlias = NDArray[Any]
"""An array of any dtype and shape."""
Names: TypeAlias = tuple[str, ...]
"""Opaque names: never parsed, always escaped on the way out."""
