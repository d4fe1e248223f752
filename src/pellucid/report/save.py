"""Reports on disk: written whole or not at all, and never over a file that is already there."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid._base.errors import FileError
from pellucid.explanation import Explanation
from pellucid.report.explained import render_explanation
from pellucid.report.html import render_html
from pellucid.report.markdown import render_markdown
from pellucid.report.plain import render_json, render_junit

if TYPE_CHECKING:
    from pellucid.auditing.audit import Audit

RENDERERS: dict[str, Callable[["Audit"], str]] = {
    ".html": render_html,
    ".json": render_json,
    ".xml": render_junit,
    ".md": render_markdown,
}
"""What each file name's ending stands for."""
EXPLANATION_ENDINGS = (".html", ".pellucid")


def save_report(audit: "Audit", path: str | Path, *, force: bool = False) -> Path:
    """Write an audit as HTML, JSON, JUnit XML or Markdown, chosen by the path's ending.

    Parameters
    ----------
    audit : Audit
    path : str or Path
        Ends in ``.html``, ``.json``, ``.xml`` or ``.md``.
    force : bool
        Replace a file that is already there.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    FileError
        When the ending is unknown, the file is already there, or it cannot be written.
    """
    target = check_target(path, force=force)
    write_text(target, RENDERERS[target.suffix.lower()](audit), force=force)
    return target


def save_explanation(
    explanation: Explanation, path: str | Path, *, output: str | int | None = None, force: bool = False
) -> Path:
    """Write an explanation as a page (``.html``) or as itself (``.pellucid``, see `Explanation.load`)."""
    target = check_target(path, force=force, endings=EXPLANATION_ENDINGS)
    if target.suffix.lower() == ".html":
        write_text(target, render_explanation(explanation, output=output), force=force)
    else:
        explanation.save(target, force=force)
    return target


def check_target(path: str | Path, *, force: bool = False, endings: Iterable[str] = RENDERERS) -> Path:
    """Refuse a path that nothing can be written to, before any work is done."""
    target = Path(path)
    if target.suffix.lower() not in endings:
        raise FileError(f"a report’s name must end in {', '.join(endings)}; got {str(target)!r}.")
    if target.is_dir():
        raise FileError(f"{str(target)!r} is a folder; give the name of a file in it.")
    if target.exists() and not force:
        raise FileError(f"{str(target)!r} is already there; choose another name, or allow it with force (--force).")
    if not target.parent.is_dir():
        raise FileError(f"the folder {str(target.parent)!r} does not exist; create it first or choose another.")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise FileError(f"the folder {str(target.parent)!r} cannot be written to; choose another.")
    return target


def write_text(target: Path, text: str, *, force: bool = False) -> None:
    """Write a text file whole or not at all: to a temporary file beside it, to the disk, then in its place."""
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:40]}.", suffix=".tmp")
    except OSError as error:
        raise FileError(f"cannot write to the folder {str(target.parent)!r}: {error.strerror or error}.") from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        if force:
            temporary.replace(target)
        else:
            os.link(temporary, target)  # fails where the file has appeared meanwhile
            temporary.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise FileError(f"cannot write {str(target)!r}: {error.strerror or error}.") from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
