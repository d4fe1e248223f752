"""Compliance artefacts as documents: HTML, Markdown and JSON, each field marked measured, declared or missing."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid._base.files import write_atomically
from pellucid.report.markdown import escaped, table_lines
from pellucid.report.page import page
from pellucid.report.save import check_target
from pellucid.report.view import Grid, cell_text, grid_of, prose

if TYPE_CHECKING:
    from pellucid.compliance.artefacts import Artefact

SCHEMA = "pellucid.artefact/1"
DRAFT = "A draft of evidence. Whether it is enough, this file cannot say: have it read by somebody who knows the rule."


def save_artefact(artefact: "Artefact", path: str | Path, *, force: bool = False) -> Path:
    """Write an artefact as HTML, Markdown or JSON, chosen by the path's ending.

    Parameters
    ----------
    artefact : Artefact
    path : str or Path
        Ends in ``.html``, ``.md`` or ``.json``.
    force : bool
        Replace a file that is already there.

    Raises
    ------
    FileError
        When the ending is unknown, the file is already there, or it cannot be written.
    """
    target = check_target(path, force=force, endings=ARTEFACT_RENDERERS)
    text = ARTEFACT_RENDERERS[target.suffix.lower()](artefact)
    return write_atomically(target, lambda file: _put(file, text), force=force)


def _put(file: Any, text: str) -> None:
    file.write(text.encode("utf-8", "replace"))


def artefact_html(artefact: "Artefact") -> str:
    """Return an artefact as one HTML page that asks the network for nothing."""
    return page(
        "artefact.html.j2",
        figures=[],
        title=prose(artefact.title),
        draft=DRAFT,
        facts=_facts(artefact),
        counts=_counts(artefact),
        fields=[
            {
                "name": f"field-{number}",
                "asks": prose(field.asks),
                "status": field.status,
                "badge": {"measured": "pass", "missing": "warn"}.get(field.status, "note"),
                "sentences": [prose(sentence) for sentence in field.sentences],
                "lacking": prose(field.lacking),
                "sources": ", ".join(source for source in field.sources if source.startswith("PEL")),
            }
            for number, field in enumerate(artefact.fields, start=1)
        ],
        sheets=[
            {"title": prose(sheet.title), "note": prose(sheet.note), "grid": grid_of(sheet.columns)}
            for sheet in artefact.sheets
        ],
        notes=[prose(note) for note in artefact.notes],
    )


def artefact_markdown(artefact: "Artefact") -> str:
    """Return an artefact as Markdown, with a YAML header where it has one."""
    lines = _yaml(artefact.front_matter)
    lines += [f"# {escaped(artefact.title)}", "", escaped(DRAFT), "", escaped(_counts(artefact)), ""]
    lines += [*table_lines(_facts(artefact)), ""]
    lines += [f"* {escaped(note)}" for note in artefact.notes]
    lines += ["", "## Fields", ""]
    for field in artefact.fields:
        lines += [f"### {escaped(field.asks)}", "", f"**{escaped(field.status)}**", ""]
        lines += [f"* {escaped(prose(sentence))}" for sentence in field.sentences]
        lines += [""] if field.sentences else []
        lines += [escaped(prose(field.lacking)), ""] if field.lacking else []
    for sheet in artefact.sheets:
        lines += [f"## {escaped(sheet.title)}", "", escaped(sheet.note), "", *table_lines(grid_of(sheet.columns)), ""]
    return "\n".join(lines).rstrip() + "\n"


def artefact_json(artefact: "Artefact") -> str:
    """Return an artefact as JSON."""
    content = {"schema": SCHEMA, "draft": DRAFT, "counts": artefact.counts(), **asdict(artefact)}
    return json.dumps(content, allow_nan=False, indent=1, ensure_ascii=False, default=str) + "\n"


def _facts(artefact: "Artefact") -> Grid:
    pack = artefact.pack
    rows = [
        ["Rule", pack.citation],
        ["Where", pack.jurisdiction],
        ["Status", pack.status],
        ["The rule as of", pack.as_of],
        ["Known from", pack.basis],
        ["Draft made", artefact.made],
    ]
    return Grid(headings=["fact", "value"], numeric=[False, False], rows=[[cell_text(c) for c in row] for row in rows])


def _counts(artefact: "Artefact") -> str:
    counts = artefact.counts()
    return f"Of {len(artefact.fields)} fields, " + ", ".join(f"{n} {status}" for status, n in counts.items()) + "."


def _yaml(front_matter: Any) -> list[str]:
    """A YAML header; every value is written as JSON, which YAML reads as it is."""
    if not front_matter:
        return []
    return ["---", *(f"{key}: {json.dumps(value, allow_nan=False)}" for key, value in front_matter.items()), "---", ""]


ARTEFACT_RENDERERS: dict[str, Callable[["Artefact"], str]] = {
    ".html": artefact_html,
    ".md": artefact_markdown,
    ".json": artefact_json,
}
"""What each file name's ending stands for."""
