"""Counter-based random streams.

A stream is a function of (seed, purpose, row) alone, so threads, chunks and the order of a
batch cannot change what is drawn.
"""

import hashlib
from typing import Any

import numpy as np

from pellucid._base.errors import InputError


def stream(random_state: int, purpose: str, row: int = 0) -> np.random.Generator:
    """Return the generator that belongs to one purpose and one row.

    Parameters
    ----------
    random_state : int
        The caller's seed.
    purpose : str
        What the numbers are for, such as ``"lime.sample"``.
    row : int
        Position of the row; 0 for what all rows share.
    """
    digest = hashlib.blake2b(f"{random_state}|{purpose}|{row}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_seed(random_state: Any) -> None:
    """Refuse a seed that is not a whole number."""
    if not is_whole(random_state):
        raise InputError(
            f"random_state must be a whole number, so that the answer can be made again; got {random_state!r:.80}."
        )
