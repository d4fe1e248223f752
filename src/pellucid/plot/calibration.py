"""Calibration: predicted probability against observed frequency."""

from typing import Any, cast

import altair as alt

from pellucid._base.numbers import finite, interval_texts, number_text
from pellucid.plot import theme
from pellucid.plot.labels import shorten
from pellucid.plot.tables import Columns, column, data, need


def calibration_data(source: Columns) -> dict[str, list[Any]]:
    """Return the table behind `calibration`: predicted, observed, low, high, n, group."""
    rows = need(source, "calibration", "predicted", "observed", "low", "high", "n")
    return {name: column(source, name, rows) for name in ("predicted", "observed", "low", "high", "n", "group")}


def calibration(source: Columns, *, title: str = "", description: str = "") -> theme.Chart:
    """Draw observed against predicted frequency; on the dashed diagonal a model means what it says.

    Parameters
    ----------
    source : mapping of str to sequence
        Columns ``predicted``, ``observed``, ``low``, ``high``, ``n`` and perhaps ``group``.
    title, description : str
        Shown above the picture; read to those who cannot see it.

    Examples
    --------
    >>> table = {"predicted": [0.2], "observed": [0.25], "low": [0.2], "high": [0.3], "n": [400]}
    >>> calibration(table).to_dict()["data"]["values"][0]["text"]
    '0.250 [0.200, 0.300]'
    """
    table = calibration_data(source)
    if not table["predicted"]:
        return theme.empty(title, description)
    grouped = any(group is not None for group in table["group"])
    drawn = _drawn(table)
    layers = [_diagonal(), *_layers(list(dict.fromkeys(drawn["group"])), grouped)]
    return theme.finish(layers, data(drawn), title=title, description=description, height=300)


def _diagonal() -> alt.Chart:
    ends = data({"predicted": [0, 1], "observed": [0, 1]})
    line = alt.Chart(ends).mark_line(color=theme.MUTED, strokeDash=[4, 3], strokeWidth=1)
    return cast(alt.Chart, line.encode(x=alt.X("predicted:Q"), y=alt.Y("observed:Q")))


def _layers(groups: list[str], grouped: bool) -> list[alt.Chart]:
    unit = alt.Scale(domain=[0, 1])
    x = alt.X("predicted:Q", title="predicted probability", scale=unit, axis=alt.Axis(format=".1f", tickCount=6))
    y = alt.Y("observed:Q", title="observed frequency", scale=unit, axis=alt.Axis(format=".1f", tickCount=6))
    tooltip = [
        alt.Tooltip("group:N", title="group"),
        alt.Tooltip("said:N", title="predicted"),
        alt.Tooltip("text:N", title="observed [95 % interval]"),
        alt.Tooltip("rows:N", title="rows"),
    ][0 if grouped else 1 :]
    colours, shapes, dashes = theme.series_scales(groups)
    colour = alt.Color("group:N", scale=colours, title=None, legend=alt.Legend() if grouped else None)
    shape = alt.Shape("group:N", scale=shapes, title=None, legend=alt.Legend() if grouped else None)
    dash = alt.StrokeDash("group:N", scale=dashes, title=None, legend=alt.Legend() if grouped else None)
    rule = alt.Chart().mark_rule(strokeWidth=1.5, clip=True).encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=colour)
    line = alt.Chart().mark_line(strokeWidth=1.5).encode(x=x, y=y, color=colour, strokeDash=dash)
    point = alt.Chart().mark_point(filled=True, size=60, opacity=1)
    return [rule, line, point.encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip)]


def _drawn(table: Columns) -> dict[str, list[Any]]:
    return {
        **{name: [finite(value) for value in table[name]] for name in ("predicted", "observed", "low", "high")},
        "group": ["all" if group is None else shorten(group) for group in table["group"]],
        "said": [number_text(value) for value in table["predicted"]],
        "rows": [number_text(value) for value in table["n"]],
        "text": interval_texts(table["observed"], table["low"], table["high"]),
    }
