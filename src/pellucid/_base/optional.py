"""Optional packages: imported when used, refused with the command that installs them."""

import importlib
from types import ModuleType

from pellucid._base.errors import MissingDependencyError


def optional_import(name: str, *, extra: str, purpose: str) -> ModuleType:
    """Import `name`, or say which extra brings it.

    Parameters
    ----------
    name : str
        Module to import, such as ``"interpret.glassbox"``.
    extra : str
        pellucid's extra that installs it.
    purpose : str
        What it is needed for, as the subject of a sentence.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(
            f"{purpose} needs the package {name.partition('.')[0]!r}, which is not installed. "
            f"Install it with: pip install 'pellucid[{extra}]'"
        ) from error
