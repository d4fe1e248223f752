"""Effect: how the output moves along one feature, with its band."""

from typing import Any

import altair as alt

from pellucid._base.numbers import finite, interval_texts, number_text
from pellucid.explanation import Effect
from pellucid.plot import theme
from pellucid.plot.labels import distinct, shorten
from pellucid.plot.tables import Columns, column, data, need, one_output

KINDS = {"pdp": "mean output", "ale": "accumulated local effect", "ice": "output"}


def effect_data(source: Effect | Columns, *, output: str | int | None = None, curves: int = 60) -> dict[str, list[Any]]:
    """Return the table behind `effect`: x, y, low, high, series.

    Parameters
    ----------
    source : Effect or mapping of str to sequence
        An effect, or columns ``x``, ``y`` and perhaps ``low``, ``high``, ``series``.
    output : str or int, optional
        Which output of an `Effect`.
    curves : int
        At most so many single curves of an ICE effect, evenly spread over its rows.
    """
    if not isinstance(source, Effect):
        rows = need(source, "effect", "x", "y")
        return {name: column(source, name, rows) for name in ("x", "y", "low", "high", "series")}
    k = one_output(source.outputs, output)
    grid = [value if isinstance(value, str) else finite(value) for value in source.grid.tolist()]
    table: dict[str, list[Any]] = {"x": list(grid), "y": [float(value) for value in source.values[:, k]]}
    for name, band in (("low", source.low), ("high", source.high)):
        table[name] = [None] * len(grid) if band is None else [float(value) for value in band[:, k]]
    table["series"] = [None] * len(grid)
    if source.individual is not None:
        step = max(1, -(-len(source.individual) // curves))
        for number in range(0, len(source.individual), step):
            table["x"].extend(grid)
            table["y"].extend(float(value) for value in source.individual[number, :, k])
            table["low"].extend([None] * len(grid))
            table["high"].extend([None] * len(grid))
            table["series"].extend([f"row {number}"] * len(grid))
    return table


def effect(
    source: Effect | Columns,
    *,
    output: str | int | None = None,
    x_title: str | None = None,
    y_title: str | None = None,
    title: str = "",
    description: str = "",
) -> theme.Chart:
    """Draw the output along the values of one feature: a line for numbers, points for categories.

    Parameters
    ----------
    source, output
        See `effect_data`.
    x_title, y_title, title, description : str, optional
        Names of the axes with their units; title; what a reader who cannot see the picture needs.

    Examples
    --------
    >>> effect({"x": [1, 2, 3], "y": [0.1, 0.4, 0.5]}, x_title="debt").to_dict()["layer"][-1]["mark"]["type"]
    'line'
    """
    table = effect_data(source, output=output)
    if isinstance(source, Effect):
        k = one_output(source.outputs, output)
        x_title = x_title or source.feature
        y_title = y_title or f"{KINDS.get(source.kind, source.kind)}, {source.outputs[k]} ({source.space})"
    if not table["x"]:
        return theme.empty(title, description)
    text = any(isinstance(value, str | bool) for value in table["x"])
    drawn = _drawn(table, text)
    single = isinstance(source, Effect) and source.individual is not None
    layers = _categories(drawn, x_title, y_title) if text else _curves(drawn, x_title, y_title, single)
    return theme.finish(layers, data(drawn), title=title, description=description, height=240)


def _axes(x_title: str | None, y_title: str | None) -> tuple[alt.X, alt.Y]:
    return theme.number_axis("x:Q", x_title), theme.height_axis("y:Q", y_title)


def _tooltip(drawn: Columns, x_title: str | None, y_title: str | None) -> list[alt.Tooltip]:
    several = len(set(drawn["series"])) > 1
    return [
        alt.Tooltip("series:N", title="series"),
        alt.Tooltip("at:N", title=theme.axis_title(x_title or "at")),
        alt.Tooltip("text:N", title=theme.axis_title(y_title or "value")),
    ][0 if several else 1 :]


def _curves(drawn: Columns, x_title: str | None, y_title: str | None, single: bool) -> list[alt.Chart]:
    x, y = _axes(x_title, y_title)
    names = list(dict.fromkeys(drawn["series"]))
    tooltip = _tooltip(drawn, x_title, y_title)
    layers = []
    if single:
        thin = alt.Chart().mark_line(color=theme.FAINT, strokeWidth=0.7).encode(x=x, y=y, detail="series:N")
        mean = alt.Chart().mark_line(color=theme.DOWN, strokeWidth=3).encode(x=x, y=y, tooltip=tooltip)
        return [thin.transform_filter(alt.datum.series != ""), mean.transform_filter(alt.datum.series == "")]
    colours, _, dashes = theme.series_scales(names)
    legend = alt.Legend() if len(names) > 1 else None
    colour = alt.Color("series:N", scale=colours, title=None, legend=legend)
    dash = alt.StrokeDash("series:N", scale=dashes, title=None, legend=legend)
    if any(value is not None for value in drawn["low"]):
        band = alt.Chart().mark_area(opacity=0.18)
        fill = alt.Color("series:N", scale=colours, title=None, legend=legend)
        layers.append(band.encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=fill))
    line = alt.Chart().mark_line(strokeWidth=2.5, point={"size": 18, "filled": True})
    layers.append(line.encode(x=x, y=y, color=colour, strokeDash=dash, tooltip=tooltip))
    return layers


def _categories(drawn: Columns, x_title: str | None, y_title: str | None) -> list[alt.Chart]:
    _, y = _axes(x_title, y_title)
    axis = alt.Axis(labelAngle=-30, labelLimit=130, grid=False)
    x = alt.X("x:N", sort=None, title=theme.axis_title(x_title), axis=axis)
    names = list(dict.fromkeys(drawn["series"]))
    colours, shapes, _ = theme.series_scales(names)
    legend = alt.Legend() if len(names) > 1 else None
    colour = alt.Color("series:N", scale=colours, title=None, legend=legend)
    shape = alt.Shape("series:N", scale=shapes, title=None, legend=legend)
    tooltip = _tooltip(drawn, x_title, y_title)
    rule = alt.Chart().mark_rule(strokeWidth=2).encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=colour)
    point = alt.Chart().mark_point(filled=True, size=80, opacity=1)
    return [rule, point.encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip)]


def _drawn(table: Columns, text: bool) -> dict[str, list[Any]]:
    if text:
        values = list(dict.fromkeys(table["x"]))
        keys = dict(zip(values, distinct(values, 30), strict=True))
        at: list[Any] = [keys[value] for value in table["x"]]
    else:
        at = [finite(value) for value in table["x"]]
    return {
        "x": at,
        **{name: [finite(value) for value in table[name]] for name in ("y", "low", "high")},
        "series": ["" if name is None else shorten(name) for name in table["series"]],
        "at": [shorten(value, 120) if text else number_text(value, 4) for value in table["x"]],
        "text": interval_texts(table["y"], table["low"], table["high"]),
    }
