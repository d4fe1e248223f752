"""The units an output can be measured in, and the links between them."""

from enum import StrEnum

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Float2


class Space(StrEnum):
    """What an output is measured in.

    ``raw`` is the model's margin where it has one, else what it returns.
    """

    RAW = "raw"
    PROBABILITY = "probability"
    LOG_ODDS = "log_odds"
    LOSS = "loss"

    @classmethod
    def of(cls, space: str) -> "Space":
        """Read the user's word for a space."""
        try:
            return cls(space)
        except ValueError:
            words = ", ".join(repr(str(member)) for member in cls)
            raise InputError(f"space must be one of {words}; got {space!r}.") from None


def log_odds(probability: Float2) -> Float2:
    """log(p / (1 - p)), finite for every p: p is kept one float64 step away from 0 and 1."""
    inside = np.clip(probability, np.finfo(float).tiny, 1 - np.finfo(float).epsneg)
    return np.log(inside) - np.log1p(-inside)
