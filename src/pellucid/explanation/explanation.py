"""`Explanation`: how much each feature moved each output of each row."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Float2, Float3, Int1, Names
from pellucid.explanation.provenance import Provenance
from pellucid.explanation.quality import Quality
from pellucid.ir import Space
from pellucid.table import Table


@dataclass(frozen=True, kw_only=True, eq=False)
class Explanation:
    """Attributions with names, units and the measure of their own error. Arrays are read-only.

    Parameters
    ----------
    values : float64 array of shape (rows, features, outputs)
        Always rank 3, in units of `space`.
    base_values : float64 array of shape (rows, outputs)
        What the values are counted from.
    features, outputs : tuple of str
        Names of the last two axes of `values`.
    space : Space
        Units: what ``raw`` meant is already resolved.
    quality : Quality
        Residual against the original model, its bound, cost.
    provenance : Provenance
        Method, why it was chosen, parameters, seed, versions, hashes.
    data : Table or None
        The explained rows as the user gave them.
    std_error : float64 array of shape (rows, features, outputs) or None
        None means exact; every sampled method fills it.
    """

    values: Float3
    base_values: Float2
    features: Names
    outputs: Names
    space: Space
    quality: Quality
    provenance: Provenance
    data: Table | None = None
    std_error: Float3 | None = None

    def __post_init__(self) -> None:
        rows, features, outputs = np.shape(self.values)
        if (features, outputs) != (len(self.features), len(self.outputs)):
            raise InputError(
                f"values of shape {np.shape(self.values)} do not match {len(self.features)} features "
                f"and {len(self.outputs)} outputs."
            )
        if np.shape(self.base_values) != (rows, outputs):
            raise InputError(f"base_values must have shape ({rows}, {outputs}); got {np.shape(self.base_values)}.")
        for name in ("values", "base_values", "std_error"):
            array = getattr(self, name)
            if array is not None:
                frozen = np.array(array, dtype=np.float64)
                frozen.flags.writeable = False
                object.__setattr__(self, name, frozen)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def prediction(self) -> Float2:
        """Base value plus values: what the explanation says the model's output is, (rows, outputs)."""
        return self.base_values + self.values.sum(axis=1)

    def output_index(self, output: str | int) -> int:
        """Position of an output given by name or number."""
        return named_positions(output, self.outputs, "output")[0]

    def take(
        self,
        *,
        rows: Sequence[int] | Int1 | None = None,
        features: Sequence[str | int] | None = None,
        outputs: str | int | Sequence[str | int] | None = None,
    ) -> Self:
        """Return the part with these rows, features and outputs (names or positions).

        Values of dropped features move into the base value, so the rest still adds up.
        """
        r = np.arange(len(self)) if rows is None else np.asarray(rows, dtype=np.int64)
        f = list(range(len(self.features))) if features is None else named_positions(features, self.features, "feature")
        o = list(range(len(self.outputs))) if outputs is None else named_positions(outputs, self.outputs, "output")
        dropped = [j for j in range(len(self.features)) if j not in set(f)]
        base = self.base_values + self.values[:, dropped].sum(axis=1)
        part = np.ix_(r, f, o)
        return replace(
            self,
            values=self.values[part],
            base_values=base[np.ix_(r, o)],
            std_error=None if self.std_error is None else self.std_error[part],
            features=tuple(self.features[j] for j in f),
            outputs=tuple(self.outputs[k] for k in o),
            data=None if self.data is None else self.data.take(r),
        )


def named_positions(wanted: Any, names: Names, what: str) -> list[int]:
    """Positions of names or numbers in `names`; a name that is not there gets an error that lists them."""
    items = [wanted] if isinstance(wanted, str | int | np.integer) else list(wanted)
    positions = []
    for item in items:
        if isinstance(item, str) and item in names:
            positions.append(names.index(item))
        elif not isinstance(item, str | bool) and -len(names) <= int(item) < len(names):
            positions.append(int(item) % len(names))
        else:
            known = ", ".join(map(repr, names[:12]))
            raise InputError(f"there is no {what} {item!r}; there are {len(names)}: {known}.")
    return positions
