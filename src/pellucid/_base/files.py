"""Files that are either whole or not there."""

import contextlib
import os
import secrets
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from pellucid._base.errors import FileError, InputError


def path_of(path: Any) -> Path:
    """Read a file's name given as text, bytes or a path.

    Raises
    ------
    InputError
        When it is none of them, or has a null character.
    """
    try:
        name = os.fsdecode(path)
    except TypeError:
        name = "\0"
    if "\0" in name:
        raise InputError(f"a file name must be text or a path; got {path!r:.80}.")
    return Path(name)


def read_toml(path: Any, what: str) -> dict[str, Any]:
    """Read a TOML file; `what` names it in errors, such as "codebook".

    Raises
    ------
    FileError
        When it cannot be read, or is not TOML.
    """
    file = path_of(path)
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise FileError(f"the {what} {str(file)!r} is not TOML: {error}.") from error
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise FileError(f"the {what} {str(file)!r} cannot be read: {said}.") from error


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
    target = path_of(path)
    try:
        taken = target.exists() and not force
    except OSError as error:
        raise FileError(f"{str(target)!r:.200} is no possible file name: {error!s:.80}. Choose another.") from error
    if taken:
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
