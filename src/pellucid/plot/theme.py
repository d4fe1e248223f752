"""One look for every picture: colours that the colour-blind can tell apart, readable sizes, calm axes."""

from typing import Any, TypeAlias, cast

import altair as alt

from pellucid.plot.labels import shorten
from pellucid.plot.tables import data

Chart: TypeAlias = alt.Chart | alt.LayerChart

DOWN = "#2166ac"
"""Blue: negative, lowers the output."""
UP = "#b5510d"
"""Orange: positive, raises the output."""
INK = "#1f2a33"
MUTED = "#5a6672"
GRID = "#e2e5e8"
FAINT = "#aab3bb"
PAPER = "#ffffff"
BOX = "#eef2f6"
SERIES = ("#2166ac", "#b5510d", "#00756a", "#7a4aa0", "#7d6200", "#a1365f")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
DASHES = ([1, 0], [7, 3], [2, 2], [10, 3, 2, 3], [4, 4], [1, 3])
NEUTRAL = "#47617a"
"""Slate: a size that has no sign."""
SIGNS = alt.Scale(domain=["down", "up"], range=[DOWN, UP])

WIDTH = 420
STEP = 26
ROW_LABEL = 300
"""Pixels of the name of a row: a short sentence."""
NUMBERS = ",.6~g"
"""Axis format: up to six significant digits, powers of ten beyond; without the 6, vega writes 10 as 1e+1."""

CONFIG: dict[str, Any] = {
    "background": PAPER,
    "font": "Arial, Helvetica, 'Liberation Sans', sans-serif",  # one set of widths, wherever text is measured
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": MUTED,
        "gridColor": GRID,
        "domainColor": FAINT,
        "tickColor": FAINT,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "labelLimit": 200,
        "titleLimit": 420,
    },
    "legend": {
        "orient": "top",
        "labelColor": INK,
        "titleColor": MUTED,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 240,
        "columns": 2,
    },
    "title": {"color": INK, "fontSize": 14, "anchor": "start", "fontWeight": 600, "limit": 640},
    "text": {"color": INK, "fontSize": 12},
}


def finish(
    layers: list[alt.Chart], values: alt.Data, *, title: str, description: str, width: Any = WIDTH, height: Any = None
) -> alt.LayerChart:
    """Lay the marks over each other on shared data, and give them the theme, a title and a description."""
    properties: dict[str, Any] = {"width": width, "data": values}
    if height is not None:
        properties["height"] = height
    if title:
        properties["title"] = shorten(title, 90)
    chart = cast(alt.LayerChart, alt.layer(*layers, **properties))
    chart.description = shorten(description or title or "chart", 300)
    chart._kwds["config"] = CONFIG
    return chart


def rows_height(keys: list[str], series: int = 1) -> int:
    """Height of a picture with one line per row, or per row and series."""
    return len(set(keys)) * (STEP if series == 1 else 15 * series + 10)


def rows_axis(title: str | None = None) -> alt.Y:
    """One line per row of the table, in the table's order."""
    axis = alt.Axis(grid=False, ticks=False, domain=False, labelPadding=8, labelLimit=ROW_LABEL)
    return alt.Y("key:N", sort=None, title=title, axis=axis)


def number_axis(field: str, title: str | None, *, zero: bool = False) -> alt.X:
    """Draw numbers from left to right."""
    axis = alt.Axis(format=NUMBERS, tickCount=6, labelFlush=False)
    return alt.X(field, title=axis_title(title), axis=axis, scale=alt.Scale(zero=zero, nice=True))


def height_axis(field: str, title: str | None) -> alt.Y:
    """Draw numbers from the bottom to the top."""
    axis = alt.Axis(format=NUMBERS, tickCount=6)
    return alt.Y(field, title=axis_title(title), axis=axis, scale=alt.Scale(zero=False, nice=True))


def axis_title(text: str | None) -> str | None:
    """Return a title of one short line, or None.

    Vega puts titles into expressions, which would read a backslash and what follows as the character it names.
    """
    return shorten(text, 70).replace("\\", "\N{REVERSE SOLIDUS OPERATOR}") if text else None


def number_column(offset: alt.YOffset | None = None) -> alt.Chart:
    """Write the numbers in a column of their own at the right, so that sign and size can be read."""
    encoding: dict[str, Any] = {"x": alt.value("width"), "y": rows_axis(), "text": "text:N"}
    if offset is not None:
        encoding["yOffset"] = offset
    words = alt.Chart().mark_text(align="left", dx=10, baseline="middle")
    return cast(alt.Chart, words.encode(**encoding))


def series_scales(names: list[str]) -> tuple[alt.Scale, alt.Scale, alt.Scale]:
    """Colours, shapes and dashes for named series: never colour alone.

    Each round of colours begins one shape (and dash) further on, so that no two series look the same.
    """
    places = range(len(names))
    turns = [i + i // len(SERIES) for i in places]
    return (
        alt.Scale(domain=names, range=[SERIES[i % len(SERIES)] for i in places]),
        alt.Scale(domain=names, range=[SHAPES[i % len(SHAPES)] for i in turns]),
        alt.Scale(domain=names, range=[DASHES[i % len(DASHES)] for i in turns]),
    )


def empty(title: str, description: str) -> alt.LayerChart:
    """Say that there is nothing to draw."""
    words = alt.Chart().mark_text(align="left", color=MUTED).encode(x=alt.value(0), text="words:N")
    values = data({"words": ["There are no values to draw."]})
    return finish([words], values, title=title, description=description, height=30)
