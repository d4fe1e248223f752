"""Where an answer came from."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How an answer was made, so that somebody else can make it again.

    Parameters
    ----------
    method : str
        Name of the method.
    reason : str
        A sentence: why this method was chosen.
    model : str
        What the model is, in words.
    background : str
        What hidden features are replaced by, in words, with the number of rows.
    parameters : mapping
        The method's own options, all JSON values.
    random_state : int
        Seed of every random stream.
    hashes : mapping of str to str
        SHA-256 of the explained rows and the background.
    versions : mapping of str to str
        Packages that took part.
    seconds : float
        Wall time of the call.
    """

    method: str
    reason: str
    model: str
    background: str = "none"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    random_state: int = 0
    hashes: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def package_versions() -> dict[str, str]:
    """Versions of what takes part in every answer."""
    return dict(_versions())


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = [("python", platform.python_version())]
    for package in ("pellucid", "numpy"):
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return tuple(found)
