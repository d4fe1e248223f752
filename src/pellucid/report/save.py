"""Reports on disk: written whole or not at all, and never over a file that is already there."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from pellucid._base.errors import FileError, InputError
from pellucid._base.files import write_atomically
from pellucid.auditing.audit import Audit
from pellucid.explanation import Explanation
from pellucid.report.explained import render_explanation
from pellucid.report.html import render_html
from pellucid.report.markdown import render_markdown
from pellucid.report.plain import render_json, render_junit

RENDERERS: dict[str, Callable[[Audit], str]] = {
    ".html": render_html,
    ".json": render_json,
    ".xml": render_junit,
    ".md": render_markdown,
}
"""What each file name's ending stands for."""
EXPLANATION_ENDINGS = (".html", ".pellucid")


def save_report(
    result: Audit | Explanation,
    path: str | Path,
    *,
    output: str | int | None = None,
    force: bool = False,
    fail_on: str = "fail",
) -> Path:
    """Write an audit as HTML, JSON, JUnit XML or Markdown, or an explanation as a page, by the path's ending.

    Parameters
    ----------
    result : Audit or Explanation
    path : str or Path
        Ends in ``.html``, ``.json``, ``.xml`` or ``.md``; an explanation's in ``.html``, or ``.pellucid`` for itself.
    output : str or int, optional
        Which output of an explanation its page shows; needed where there are more than two.
    force : bool
        Replace a file that is already there.
    fail_on : {"fail", "warn"}
        From which verdict on a finding is a failure in JUnit XML, as in `Audit.exit_code`.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    InputError
        When `result` is neither, or an audit is asked for one output.
    FileError
        When the ending is unknown, the file is already there, or it cannot be written.
    """
    if isinstance(result, Explanation):
        return save_explanation(result, path, output=output, force=force)
    if not isinstance(result, Audit):
        raise InputError(
            f"save_report writes what audit() or explain() returned; got {type(result).__name__}. Importances, "
            "effects, interactions and counterfactuals have .save(path) and .to_frame()."
        )
    if output is not None:
        raise InputError(
            f"output={output!r:.80} chooses an explanation's output; an audit has chosen its own. Drop it."
        )
    target = check_target(path, force=force)
    ending = target.suffix.lower()
    text = render_junit(result, fail_on=fail_on) if ending == ".xml" else RENDERERS[ending](result)
    return _write(target, text, force=force)


def save_explanation(
    explanation: Explanation, path: str | Path, *, output: str | int | None = None, force: bool = False
) -> Path:
    """Write an explanation as a page (``.html``) or as itself (``.pellucid``, see `Explanation.load`)."""
    target = check_target(path, force=force, endings=EXPLANATION_ENDINGS)
    if target.suffix.lower() == ".html":
        return _write(target, render_explanation(explanation, output=output), force=force)
    explanation.save(target, force=force)
    return target


def check_target(path: str | Path, *, force: bool = False, endings: Iterable[str] = RENDERERS) -> Path:
    """Refuse a path that nothing can be written to, before any work is done."""
    target = Path(path)
    if target.suffix.lower() not in endings:
        raise FileError(f"a report's name must end in {', '.join(endings)}; got {str(target)!r}.")
    if target.is_dir():
        raise FileError(f"{str(target)!r} is a folder; give the name of a file in it.")
    if target.exists() and not force:
        raise FileError(f"{str(target)!r} is already there; choose another name, or allow it with force (--force).")
    if not target.parent.is_dir():
        raise FileError(f"the folder {str(target.parent)!r} does not exist; create it first or choose another.")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise FileError(f"the folder {str(target.parent)!r} cannot be written to; choose another.")
    return target


def _write(target: Path, text: str, *, force: bool) -> Path:
    def write(file: BinaryIO) -> None:
        file.write(text.encode("utf-8"))

    return write_atomically(target, write, force=force)
