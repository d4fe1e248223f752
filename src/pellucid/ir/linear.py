"""A linear function of encoded columns."""

from dataclasses import dataclass

import numpy as np

from pellucid._base.typing import Float1, Float2


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearForm:
    """``columns @ coefficients.T + intercept``.

    Parameters
    ----------
    coefficients : array of shape (outputs, columns)
    intercept : array of shape (outputs,)
    sum_dtype : {"float32", "float64"}
        What the library may multiply and add in.
    sizes : array of shape (outputs, columns), optional
        Sizes of the terms that the library itself sums, where they are larger than the coefficients
        (support vectors).
    """

    coefficients: Float2
    intercept: Float1
    sum_dtype: str = "float64"
    sizes: Float2 | None = None

    def predict(self, columns: Float2) -> Float2:
        """Return the outputs for encoded rows, of shape (rows, outputs)."""
        return columns @ self.coefficients.T + self.intercept

    def rounding_bound(self, columns: Float2) -> float:
        """Largest difference that rounding can make between the library's own sum of a row and ours."""
        sizes = np.abs(self.coefficients) if self.sizes is None else self.sizes
        size = np.abs(columns) @ sizes.T + np.abs(self.intercept)
        return float((columns.shape[1] + 2) * np.finfo(self.sum_dtype).eps * np.nan_to_num(size).max(initial=0.0))
