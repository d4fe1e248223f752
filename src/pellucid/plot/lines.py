"""Lines: curves to compare, such as deletion curves."""

from typing import Any

import altair as alt

from pellucid._base.numbers import finite, number_text
from pellucid.plot import theme
from pellucid.plot.labels import shorten
from pellucid.plot.tables import Columns, column, data, need


def lines_data(source: Columns) -> dict[str, list[Any]]:
    """Return the table behind `lines`: x, y, series."""
    rows = need(source, "lines", "x", "y", "series")
    return {name: column(source, name, rows) for name in ("x", "y", "series")}


def lines(
    source: Columns, *, x_title: str | None = None, y_title: str | None = None, title: str = "", description: str = ""
) -> theme.Chart:
    """Draw one line per series, told apart by colour, dash and shape.

    Parameters
    ----------
    source : mapping of str to sequence
        Columns ``x``, ``y``, ``series``.
    x_title, y_title, title, description : str, optional
        Names of the axes with their units; title; what a reader who cannot see the picture needs.

    Examples
    --------
    >>> table = {"x": [0, 1, 0, 1], "y": [1.0, 0.4, 1.0, 0.8], "series": ["a", "a", "b", "b"]}
    >>> len(lines(table).to_dict()["data"]["values"])
    4
    """
    table = lines_data(source)
    if not table["x"]:
        return theme.empty(title, description)
    drawn: dict[str, list[Any]] = {
        "x": [finite(value) for value in table["x"]],
        "y": [finite(value) for value in table["y"]],
        "series": [shorten(name) for name in table["series"]],
        "at": [number_text(value, 4) for value in table["x"]],
        "text": [number_text(value) for value in table["y"]],
    }
    colours, shapes, dashes = theme.series_scales(list(dict.fromkeys(drawn["series"])))
    x = theme.number_axis("x:Q", x_title)
    y = theme.height_axis("y:Q", y_title)
    colour = alt.Color("series:N", scale=colours, title=None)
    tooltip = [
        alt.Tooltip("series:N", title="series"),
        alt.Tooltip("at:N", title=theme.axis_title(x_title or "at")),
        alt.Tooltip("text:N", title=theme.axis_title(y_title or "value")),
    ]
    line = (
        alt.Chart()
        .mark_line(strokeWidth=2)
        .encode(x=x, y=y, color=colour, strokeDash=alt.StrokeDash("series:N", scale=dashes, title=None))
    )
    point = (
        alt.Chart()
        .mark_point(filled=True, size=42, opacity=1)
        .encode(x=x, y=y, color=colour, shape=alt.Shape("series:N", scale=shapes, title=None), tooltip=tooltip)
    )
    return theme.finish([line, point], data(drawn), title=title, description=description, height=240)
