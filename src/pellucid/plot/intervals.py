"""Intervals: estimates with their intervals, in groups, beside a reference."""

from typing import Any

import altair as alt

from pellucid._base.numbers import finite, interval_texts
from pellucid.plot import theme
from pellucid.plot.labels import distinct, shorten
from pellucid.plot.tables import Columns, column, data, need

MOST = 40
"""Rows drawn: more cannot be read. The table has them all."""


def intervals_data(source: Columns) -> dict[str, list[Any]]:
    """Return the table behind `intervals`: label, value, low, high, group; at most 40 rows."""
    rows = need(source, "intervals", "label", "value", "low", "high")
    names = ("label", "value", "low", "high", "group")
    return {name: column(source, name, rows)[:MOST] for name in names}


def intervals(
    source: Columns,
    *,
    x_title: str | None = None,
    reference: float | None = None,
    reference_label: str = "",
    title: str = "",
    description: str = "",
) -> theme.Chart:
    """Draw estimates with their intervals as points and lines.

    Parameters
    ----------
    source : mapping of str to sequence
        Columns ``label``, ``value``, ``low``, ``high`` and perhaps ``group``.
    x_title : str, optional
        What is measured, with its unit.
    reference : float, optional
        A value to compare with, drawn as a dashed line.
    reference_label : str
        What the reference is.
    title, description : str
        Shown above the picture; read to those who cannot see it.

    Examples
    --------
    >>> table = {"label": ["all"], "value": [0.79], "low": [0.738], "high": [0.846]}
    >>> intervals(table, reference=0.8).to_dict()["data"]["values"][0]["text"]
    '0.790 [0.738, 0.846]'
    """
    table = intervals_data(source)
    if not table["label"]:
        return theme.empty(title, description)
    drawn = _drawn(table)
    groups = list(dict.fromkeys(drawn["group"]))
    apart = len(set(drawn["key"])) < len(drawn["key"])  # several groups in one line of the picture
    layers = _layers(x_title, groups, apart)
    if finite(reference) is not None:
        layers = [*_reference(reference, reference_label), *layers]
    height = theme.rows_height(drawn["key"], len(groups) if apart else 1)
    return theme.finish(layers, data(drawn), title=title, description=description, height=height)


def _layers(x_title: str | None, groups: list[str], apart: bool) -> list[alt.Chart]:
    tooltip = [alt.Tooltip("full:N", title="name"), alt.Tooltip("text:N", title="value [95 % interval]")]
    x = theme.number_axis("value:Q", x_title)
    colours, shapes, _ = theme.series_scales(groups)
    legend = alt.Legend() if len(groups) > 1 else None
    colour = alt.Color("group:N", scale=colours, title=None, legend=legend)
    shape = alt.Shape("group:N", scale=shapes, title=None, legend=legend)
    offset = alt.YOffset("group:N", sort=None, scale=alt.Scale(domain=groups)) if apart else None
    shared: dict[str, Any] = {"y": theme.rows_axis(), "tooltip": tooltip, "color": colour}
    if offset is not None:
        shared["yOffset"] = offset
    rule = alt.Chart().mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q", **shared)
    point = alt.Chart().mark_point(filled=True, size=70, opacity=1).encode(x=x, shape=shape, **shared)
    return [rule, point, theme.number_column(offset)]


def _reference(reference: float | None, label: str) -> list[alt.Chart]:
    once = alt.Chart().transform_aggregate(rows="count()")  # not once per row, on top of itself
    line = once.mark_rule(color=theme.MUTED, strokeDash=[4, 3]).encode(x=alt.datum(reference))
    words = once.mark_text(color=theme.MUTED, baseline="bottom", dy=-3, fontSize=11)
    named = words.encode(x=alt.datum(reference), y=alt.value(0), text=alt.value(shorten(label, 40)))
    return [line, named] if label else [line]


def _drawn(table: Columns) -> dict[str, list[Any]]:
    pairs = list(zip(table["label"], table["group"], strict=True))
    once = len(set(pairs)) == len(pairs) and len(set(table["label"])) < len(pairs)
    return {
        "key": [shorten(label) or "(empty)" for label in table["label"]] if once else distinct(table["label"]),
        "full": [shorten(label if group is None else f"{label}, {group}", 300) for label, group in pairs],
        "value": [finite(value) for value in table["value"]],
        "low": [finite(value) for value in table["low"]],
        "high": [finite(value) for value in table["high"]],
        "group": ["" if group is None else shorten(group) for group in table["group"]],
        "text": interval_texts(table["value"], table["low"], table["high"]),
    }
