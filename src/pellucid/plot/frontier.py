"""Frontier: options between two measures, each with its intervals."""

from typing import Any

import altair as alt

from pellucid._base.numbers import finite, number_text
from pellucid.plot import theme
from pellucid.plot.labels import distinct
from pellucid.plot.tables import Columns, column, data, need

NAMES = ("label", "x", "x_low", "x_high", "y", "y_low", "y_high")


def frontier_data(source: Columns) -> dict[str, list[Any]]:
    """Return the table behind `frontier`: label, x and y with their intervals."""
    rows = need(source, "frontier", *NAMES)
    return {name: column(source, name, rows) for name in NAMES}


def frontier(
    source: Columns, *, x_title: str | None = None, y_title: str | None = None, title: str = "", description: str = ""
) -> theme.Chart:
    """Draw options as crosses of intervals, told apart by colour and shape.

    Parameters
    ----------
    source : mapping of str to sequence
        Columns ``label``, ``x``, ``x_low``, ``x_high``, ``y``, ``y_low`` and ``y_high``.
    x_title, y_title, title, description : str, optional
        Names of the axes with their units; title; what a reader who cannot see the picture needs.

    Examples
    --------
    >>> table = {"label": ["as given"], "x": [0.2], "x_low": [0.1], "x_high": [0.3], "y": [0.9], "y_low": [0.8],
    ...          "y_high": [0.95]}
    >>> frontier(table).to_dict()["data"]["values"][0]["label"]
    'as given'
    """
    table = frontier_data(source)
    if not table["label"]:
        return theme.empty(title, description)
    labels = distinct(table["label"])
    drawn: dict[str, list[Any]] = {
        **{name: [finite(value) for value in table[name]] for name in NAMES[1:]},
        "label": labels,
        "text": [f"{number_text(x)}, {number_text(y)}" for x, y in zip(table["x"], table["y"], strict=True)],
    }
    colours, shapes, _ = theme.series_scales(labels)
    colour = alt.Color("label:N", scale=colours, title=None, legend=alt.Legend(labelLimit=260, columns=1))
    x, y = theme.number_axis("x:Q", x_title), theme.height_axis("y:Q", y_title)
    tooltip = [alt.Tooltip("label:N", title="option"), alt.Tooltip("text:N", title="x, y")]
    across = alt.Chart().mark_rule().encode(x=alt.X("x_low:Q"), x2="x_high:Q", y=y, color=colour)
    along = alt.Chart().mark_rule().encode(x=x, y=alt.Y("y_low:Q"), y2="y_high:Q", color=colour)
    point = (
        alt.Chart()
        .mark_point(filled=True, size=90, opacity=1)
        .encode(x=x, y=y, color=colour, shape=alt.Shape("label:N", scale=shapes, title=None), tooltip=tooltip)
    )
    return theme.finish([across, along, point], data(drawn), title=title, description=description, height=300)
