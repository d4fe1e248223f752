"""What the templates show: an audit's findings as plain text, tables and pictures, in reading order."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pellucid._base.numbers import cell_number, finite, interval_text, number_text
from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.plot.labels import printable, shorten
from pellucid.report.pictures import Picture, picture_of

MOST_ROWS = 200
"""Rows of a table in the page; the rest is counted and stands in the JSON."""

WORDS: dict[Verdict, str] = {
    Verdict.FAIL: "Failed",
    Verdict.WARN: "Warning",
    Verdict.NOTE: "Note",
    Verdict.PASS: "Held",
    Verdict.ERROR: "Could not run",
    Verdict.NOT_APPLICABLE: "Does not apply",
}
"""Verdicts in words, the gravest first."""

_ENDS = ("", "_low", "_high")
"""Columns of an axis: its values and the ends of their intervals."""

_COUNTED: dict[Verdict, tuple[str, str]] = {
    Verdict.FAIL: ("check failed", "checks failed"),
    Verdict.WARN: ("warning", "warnings"),
    Verdict.NOTE: ("note", "notes"),
    Verdict.PASS: ("check held", "checks held"),
    Verdict.ERROR: ("check could not run", "checks could not run"),
    Verdict.NOT_APPLICABLE: ("check did not apply", "checks did not apply"),
}


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table as text: headings, whether each column holds numbers, rows, and how many rows were left out."""

    headings: list[str]
    numeric: list[bool]
    rows: list[list[str]]
    left_out: int = 0


@dataclass(frozen=True, kw_only=True)
class Figure:
    """An exhibit: its caption, its picture and the table behind it."""

    name: str
    kind: str
    caption: str
    description: str
    picture: Picture
    grid: Grid


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A finding; what held is folded, so that what needs attention stands out."""

    name: str
    code: str
    title: str
    label: str
    verdict: str
    word: str
    statement: str
    detail: str
    folded: bool
    why: str
    how: str
    remedy: str
    measures: Grid | None
    figures: list[Figure]


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A section with its findings."""

    name: str
    title: str
    choice: bool
    entries: list[Entry]


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many findings have a verdict."""

    verdict: str
    word: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A fact about the subject: a value, or further facts below it."""

    name: str
    text: str = ""
    parts: list["Fact"] = field(default_factory=list)


def chapters(findings: Sequence[Finding], entries: Sequence[Entry]) -> list[Chapter]:
    """Return the sections that have findings, in the order of the report."""
    result = []
    for number, section in enumerate(Section, start=1):
        inside = [entry for finding, entry in zip(findings, entries, strict=True) if finding.section == section]
        if inside:
            choice = section == Section.DECISIONS and len(inside) > 1
            result.append(Chapter(name=f"section-{number}", title=str(section), choice=choice, entries=inside))
    return result


def entry_of(finding: Finding, number: int, *, pictures: bool = True) -> Entry:
    """Return a finding as text, tables and, where they are wanted, pictures."""
    name = f"finding-{number}"
    return Entry(
        name=name,
        code=printable(finding.code),
        title=shorten(finding.title, 200),
        label=shorten(finding.statement if finding.section == Section.DECISIONS else finding.title, 48),
        verdict=str(finding.verdict).replace("_", "-"),
        word=WORDS[finding.verdict],
        statement=prose(finding.statement),
        detail=prose(finding.detail),
        folded=finding.verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE),
        why=prose(finding.why),
        how=prose(finding.how),
        remedy=prose(finding.remedy),
        measures=measures_grid(finding.measures) if finding.measures else None,
        figures=[
            figure_of(exhibit, f"{name}-{i}", pictures=pictures) for i, exhibit in enumerate(finding.exhibits, start=1)
        ],
    )


def figure_of(exhibit: Exhibit, name: str, *, pictures: bool = True) -> Figure:
    """Return an exhibit with its picture and its table."""
    return Figure(
        name=name,
        kind=exhibit.kind,
        caption=shorten(exhibit.title, 200),
        description=shorten(exhibit.description or exhibit.title, 600),
        picture=picture_of(exhibit, name) if pictures else Picture(),
        grid=grid_of(_in_words(exhibit)),
    )


def _in_words(exhibit: Exhibit) -> dict[str, Sequence[Any]]:
    """Return the table with the titles of its axes where it says x and y."""
    titles = {axis: exhibit.options.get(f"{axis}_title") or axis for axis in ("x", "y")}
    words = {f"{axis}{end}": f"{title}{end.replace('_', ', ')}" for axis, title in titles.items() for end in _ENDS}
    return {words.get(name, name): column for name, column in exhibit.table.items()}


def grid_of(table: Mapping[str, Sequence[Any]]) -> Grid:
    """Return a table of columns as text."""
    columns = {str(name): list(column) for name, column in table.items()}
    length = max((len(column) for column in columns.values()), default=0)
    padded = [column + [None] * (length - len(column)) for column in columns.values()]
    return Grid(
        headings=[prose(name.replace("_", " ")) for name in columns],
        numeric=[_is_numeric(column) for column in padded],
        rows=[[cell_text(cell) for cell in row] for row in list(zip(*padded, strict=True))[:MOST_ROWS]],
        left_out=max(length - MOST_ROWS, 0),
    )


def measures_grid(measures: Sequence[Measure]) -> Grid:
    """Return measures with their intervals and the rows they were measured on."""
    rows = [[prose(measure.name), measure_text(measure), number_text(measure.n)] for measure in measures]
    return Grid(headings=["measure", "value [95 % interval]", "rows"], numeric=[False, True, True], rows=rows)


def measure_text(measure: Measure) -> str:
    """Return a measure's value with its interval and unit; shares as percentages."""
    if measure.unit == "share":
        shares = [finite(part) for part in (measure.value, measure.low, measure.high)]
        return f"{interval_text(*(None if share is None else 100 * share for share in shares))} %"
    return f"{interval_text(measure.value, measure.low, measure.high)} {prose(measure.unit)}".strip()


def cell_text(cell: Any) -> str:
    """Return a cell of a table as text."""
    if cell is None:
        return "–"
    return prose(cell) if isinstance(cell, str) else cell_number(cell) if _is_number(cell) else prose(str(cell))


def prose(text: str) -> str:
    """Return text that is safe to read: whole, but with every invisible control written out."""
    return printable(text).strip().replace(" %", "\N{NO-BREAK SPACE}%")


def counts_sentence(findings: Sequence[Finding]) -> str:
    """Return the number of findings per verdict in words."""
    parts = []
    for verdict, (one, many) in _COUNTED.items():
        count = sum(finding.verdict == verdict for finding in findings)
        if count:
            parts.append(f"{count} {one if count == 1 else many}")
    if not parts:
        return "There are no findings."
    return f"{', '.join(parts[:-1])} and {parts[-1]}." if len(parts) > 1 else f"{parts[0]}."


def facts_of(facts: Mapping[str, Any]) -> list[Fact]:
    """Return facts, nested as deeply as they are given, as text."""
    return [_fact(str(name), value) for name, value in facts.items()]


def _fact(name: str, value: Any) -> Fact:
    label = shorten(name.replace("_", " "), 200)
    if isinstance(value, Mapping):
        return Fact(name=label, parts=facts_of(value))
    if isinstance(value, list | tuple):
        return Fact(name=label, text="; ".join(_plain(part) for part in value) or "none")
    return Fact(name=label, text="none" if value is None else cell_text(value))


def _plain(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, Mapping) else cell_text(value)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, bool | int | float)


def _is_numeric(column: Sequence[Any]) -> bool:
    cells = [cell for cell in column if cell is not None]
    return bool(cells) and all(_is_number(cell) and not isinstance(cell, bool) for cell in cells)
