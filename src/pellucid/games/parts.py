"""Inputs that are hidden part by part: a text by its tokens, an image by its areas.

Which parts are shown is a row of a table of ones and zeros, and the model of the input is a function of that table.
So the game of the parts is the marginal game of that function for the row of ones against a background of one
row of zeros, and every method answers it as it answers any other.
"""

from typing import Any, Protocol

import numpy as np

from pellucid._base.typing import Bool2, Names
from pellucid.table import Table

BATCH_BYTES = 1 << 25
"""Bytes of inputs made for one predict call at most; an allocator hands larger pieces back, and clears them anew."""
BATCH_INPUTS = 1 << 12
"""Inputs in one predict call at most."""


class Parts(Protocol):
    """An input cut into parts, each of which can be hidden."""

    @property
    def names(self) -> Names:
        """A name for each part, all different."""
        ...

    @property
    def n_bytes(self) -> int:
        """About how large one input is."""
        ...

    @property
    def hidden_in_words(self) -> str:
        """What stands for a hidden part."""
        ...

    def show(self, shown: Bool2) -> Any:
        """Make the input once for each row of `shown` (inputs, parts), in the container the model is given."""
        ...


def presence(parts: Parts) -> tuple[Table, Table]:
    """Return the row in which all parts are shown, and the one in which none is."""
    n = len(parts.names)
    return Table.of(np.ones((1, n)), names=parts.names), Table.of(np.zeros((1, n)), names=parts.names)


def batch_of(parts: Parts) -> int:
    """Inputs that one predict call may be given."""
    return max(1, min(BATCH_INPUTS, BATCH_BYTES // max(1, parts.n_bytes)))


def numbered(names: list[str]) -> Names:
    """Make names different: the second ``so`` becomes ``so (2)``."""
    taken: dict[str, None] = {}
    for name in names:
        free, count = name, 1
        while free in taken:
            count += 1
            free = f"{name} ({count})"
        taken[free] = None
    return tuple(taken)
