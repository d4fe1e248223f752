"""Names and numbers as positions along an axis."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Float2, Int1, Names
from pellucid.table import listed


def named_positions(wanted: Any, names: Names, what: str) -> list[int]:
    """Positions of names or numbers in `names`; what is not there gets an error that lists what is."""
    single = isinstance(wanted, str | int | np.integer) or not hasattr(wanted, "__iter__")
    items = [wanted] if single else list(wanted)
    known = {name: position for position, name in enumerate(names)}
    positions = []
    for item in items:
        if isinstance(item, str) and item in known:
            positions.append(known[item])
        elif (
            isinstance(item, int | np.integer) and not isinstance(item, bool) and -len(names) <= int(item) < len(names)
        ):
            positions.append(int(item) % len(names))
        else:
            raise InputError(f"there is no {what} {item!r:.80}; there are {len(names)}: {listed(names, 12)}.")
    return positions


def distinct_positions(wanted: Any, names: Names, what: str) -> list[int]:
    """`named_positions` of things that may be asked for once."""
    positions = named_positions(wanted, names, what)
    if len(set(positions)) < len(positions):
        raise InputError(f"each {what} can be asked for once; got {wanted!r:.80}.")
    return positions


def largest_first(sizes: Float2) -> Int1:
    """Order of the rows of `sizes` by their sum, the largest first; equals keep their order."""
    return np.argsort(-sizes.sum(axis=1), kind="stable")


def summary(names: Sequence[str], sizes: Sequence[float], most: int = 5) -> str:
    """Names with their sizes in a line of text."""
    shown = [
        f"{name if len(name) <= 40 else name[:39] + '…'!r} {size:.3g}" for name, size in zip(names, sizes, strict=True)
    ]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
