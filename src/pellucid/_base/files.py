"""Files that are either whole or not there."""

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from pellucid._base.errors import FileError


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], None], *, force: bool) -> Path:
    """Let `write` fill a new file beside `path`, flush it to the disk, then give it its name.

    Parameters
    ----------
    path : path-like
        An existing file is replaced only with `force`; at no moment is it half written.
    write : callable
        Gets the open binary file.
    force : bool
        Whether an existing file may be replaced.

    Raises
    ------
    FileError
        When the file exists, or its folder does not or cannot be written to.
    """
    target = Path(path)
    if target.exists() and not force:
        raise FileError(f"{target} already exists; choose another name or pass force=True to replace it.")
    draft = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except OSError as error:
        raise FileError(
            f"{target} cannot be written: {error.strerror or error}. Check the folder and its rights."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return target
