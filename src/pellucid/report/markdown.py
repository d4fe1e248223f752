"""The report as Markdown: sentences and tables, no pictures."""

import re
from typing import TYPE_CHECKING

from pellucid.report.html import title_of
from pellucid.report.view import Entry, Grid, chapters, counts_sentence, entry_of, prose

if TYPE_CHECKING:
    from pellucid.auditing.audit import Audit

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")


def render_markdown(audit: "Audit") -> str:
    """Return an audit as Markdown; every special character of the user's text is escaped.

    Parameters
    ----------
    audit : Audit
    """
    entries = [entry_of(finding, number, pictures=False) for number, finding in enumerate(audit.findings, start=1)]
    lines = [f"# {escaped(title_of(audit))}", "", escaped(counts_sentence(audit.findings)), ""]
    for chapter in chapters(audit.findings, entries):
        lines += [f"## {chapter.title}", ""]
        for entry in chapter.entries:
            lines += _entry_lines(entry)
    lines += ["## What was not measured", ""]
    lines += [f"* {escaped(prose(sentence))}" for sentence in audit.subject.not_measured] or ["Every check ran."]
    return "\n".join(lines).rstrip() + "\n"


def escaped(text: str) -> str:
    """Return text on one line that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _entry_lines(entry: Entry) -> list[str]:
    lines = [f"### {escaped(entry.title)} ({entry.code}): {entry.word}", "", escaped(entry.statement), ""]
    if entry.detail:
        lines += [escaped(entry.detail), ""]
    for label, text in (("Why", entry.why), ("How it was measured", entry.how), ("What to do", entry.remedy)):
        if text:
            lines += [f"**{label}.** {escaped(text)}", ""]
    if entry.measures:
        lines += [*table_lines(entry.measures), ""]
    for figure in entry.figures:
        lines += [f"*{escaped(figure.caption)}*", "", *table_lines(figure.grid), ""]
    return lines


def table_lines(grid: Grid) -> list[str]:
    """Return a table as lines of Markdown."""

    def row(cells: list[str]) -> str:
        return "| " + " | ".join(escaped(cell) for cell in cells) + " |"

    rule = ["---:" if numeric else "---" for numeric in grid.numeric]
    lines = [row(grid.headings), "| " + " | ".join(rule) + " |", *map(row, grid.rows)]
    return [*lines, "", f"{grid.left_out} further rows stand in the JSON."] if grid.left_out else lines
