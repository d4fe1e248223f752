"""Intervals: estimates with their intervals, in groups, beside a reference."""

from typing import Any, cast

import altair as alt

from pellucid.plot import theme
from pellucid.plot.labels import distinct, finite, interval_text, interval_texts, shorten
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
    grouped = any(group is not None for group in table["group"])
    layers = _layers(x_title, _groups(table) if grouped else None)
    if finite(reference) is not None:
        layers = [_reference(reference, reference_label), *layers]
    drawn = _drawn(table, grouped)
    height = theme.rows_height(drawn["key"], len(_groups(table)) if grouped else 1)
    return theme.finish(layers, data(drawn), title=title, description=description, height=height)


def _groups(table: Columns) -> list[str]:
    return list(dict.fromkeys(shorten(group) for group in table["group"]))


def _layers(x_title: str | None, groups: list[str] | None) -> list[alt.Chart]:
    tooltip = [alt.Tooltip("full:N", title="name"), alt.Tooltip("text:N", title="value [95 % interval]")]
    x = theme.number_axis("value:Q", x_title)
    shared: dict[str, Any] = {"y": theme.rows_axis(), "tooltip": tooltip}
    offset = None
    mark: Any = alt.value(theme.DOWN)
    if groups is not None:
        colours, shapes, _ = theme.series_scales(groups)
        offset = alt.YOffset("group:N", sort=None, scale=alt.Scale(domain=groups))
        shared["yOffset"] = offset
        mark = alt.Color("group:N", scale=colours, title=None)
    rule = alt.Chart().mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q", color=mark, **shared)
    point = alt.Chart().mark_point(filled=True, size=70, opacity=1).encode(x=x, color=mark, **shared)
    if groups is not None:
        point = point.encode(shape=alt.Shape("group:N", scale=shapes, title=None))
    return [rule, point, theme.number_column(offset)]


def _reference(reference: float | None, label: str) -> alt.Chart:
    line = alt.Chart().mark_rule(color=theme.MUTED, strokeDash=[4, 3])
    words = f"{shorten(label, 60)}: {interval_text(reference)}" if label else interval_text(reference)
    return cast(alt.Chart, line.encode(x=alt.datum(reference), tooltip=alt.value(words)))


def _drawn(table: Columns, grouped: bool) -> dict[str, list[Any]]:
    keys = [shorten(label) or "(empty)" for label in table["label"]] if grouped else distinct(table["label"])
    return {
        "key": keys,
        "full": [
            shorten(label if group is None else f"{label}, {group}", 300)
            for label, group in zip(table["label"], table["group"], strict=True)
        ],
        "value": [finite(value) for value in table["value"]],
        "low": [finite(value) for value in table["low"]],
        "high": [finite(value) for value in table["high"]],
        "group": ["" if group is None else shorten(group) for group in table["group"]],
        "text": interval_texts(table["value"], table["low"], table["high"]),
    }
