"""Bars: one number per feature, with its interval."""

from typing import Any

import altair as alt

from pellucid._base.numbers import finite, interval_texts
from pellucid.explanation import Importance
from pellucid.plot import theme
from pellucid.plot.labels import distinct, shorten
from pellucid.plot.tables import Columns, column, data, need, one_output


def bars_data(source: Importance | Columns, *, output: str | int | None = None, top: int = 20) -> dict[str, list[Any]]:
    """Return the table behind `bars`: label, value, low, high.

    Parameters
    ----------
    source : Importance or mapping of str to sequence
        An importance, drawn from large to small, or columns ``label``, ``value`` and perhaps
        ``low``, ``high`` in the order in which they shall stand.
    output : str or int, optional
        Which output of an `Importance`.
    top : int
        Where there are more rows, the largest `top` are kept, and a last row says how large the
        others are at most.
    """
    table = _importance_columns(source, output) if isinstance(source, Importance) else source
    rows = need(table, "bars", "label", "value")
    columns = {name: column(table, name, rows) for name in ("label", "value", "low", "high")}
    if rows <= top:
        return columns
    size = [abs(finite(value) or 0.0) for value in columns["value"]]
    kept = set(sorted(range(rows), key=lambda i: -size[i])[:top])
    most = max(size[i] for i in range(rows) if i not in kept)
    short = {name: [cell for i, cell in enumerate(cells) if i in kept] for name, cells in columns.items()}
    last = {"label": f"{rows - top} others, each at most", "value": most, "low": None, "high": None}
    return {name: [*cells, last[name]] for name, cells in short.items()}


def bars(
    source: Importance | Columns,
    *,
    output: str | int | None = None,
    top: int = 20,
    x_title: str | None = None,
    title: str = "",
    description: str = "",
) -> theme.Chart:
    """Draw one bar per feature, with its 95 % interval and its number.

    Parameters
    ----------
    source, output, top
        See `bars_data`.
    x_title : str, optional
        What the bars measure, with its unit.
    title, description : str
        Shown above the picture; read to those who cannot see it.

    Examples
    --------
    >>> chart = bars({"label": ["income", "debt"], "value": [0.3, -0.1]}, x_title="change")
    >>> chart.to_dict()["layer"][0]["mark"]["type"]
    'bar'
    """
    table = bars_data(source, output=output, top=top)
    if not table["label"]:
        return theme.empty(title, description)
    if isinstance(source, Importance) and x_title is None:
        x_title = f"{source.measure} ({str(source.space).replace('_', ' ')})"
    tooltip = [alt.Tooltip("full:N", title="name"), alt.Tooltip("text:N", title=theme.axis_title(x_title or "value"))]
    signed = any((finite(value) or 0.0) < 0 for value in table["value"])
    sign = alt.Color("sign:N", scale=theme.SIGNS, legend=None) if signed else alt.value(theme.NEUTRAL)
    axis = theme.number_axis("value:Q", x_title, zero=True)
    bar = alt.Chart().mark_bar(height=13).encode(x=axis, y=theme.rows_axis(), color=sign, tooltip=tooltip)
    layers = [bar, theme.number_column()]
    if any(finite(value) is not None for value in table["low"]):
        rule = alt.Chart().mark_rule(color=theme.INK, strokeWidth=1.5)
        layers.insert(1, rule.encode(x=alt.X("low:Q"), x2="high:Q", y=theme.rows_axis(), tooltip=tooltip))
    drawn = _drawn(table)
    height = theme.rows_height(drawn["key"])
    return theme.finish(layers, data(drawn), title=title, description=description, height=height)


def _importance_columns(importance: Importance, output: str | int | None) -> Columns:
    k = one_output(importance.outputs, output)
    order = sorted(range(len(importance.features)), key=lambda j: -abs(float(importance.values[j, k])))
    return {
        "label": [importance.features[j] for j in order],
        "value": [float(importance.values[j, k]) for j in order],
        "low": [float(importance.low[j, k]) for j in order],
        "high": [float(importance.high[j, k]) for j in order],
    }


def _drawn(table: Columns) -> dict[str, list[Any]]:
    values = [finite(value) for value in table["value"]]
    lows, highs = ([finite(value) for value in table[name]] for name in ("low", "high"))
    return {
        "key": distinct(table["label"]),
        "full": [shorten(label, 300) for label in table["label"]],
        "value": values,
        "low": lows,
        "high": highs,
        "sign": ["down" if (value or 0.0) < 0 else "up" for value in values],
        "text": interval_texts(table["value"], lows, highs),
    }
