"""Waterfall: how the features of one row add up from the base to the model's output."""

import math
from typing import Any

import altair as alt

from pellucid._base.numbers import finite, number_text, number_texts
from pellucid.explanation import Explanation
from pellucid.plot import theme
from pellucid.plot.labels import distinct, shorten
from pellucid.plot.tables import Columns, check_row, column, data, need, one_output


def waterfall_data(
    source: Explanation | Columns, *, row: int = 0, output: str | int | None = None, top: int = 12
) -> dict[str, list[Any]]:
    """Return the table behind `waterfall`: feature, shown, contribution, the largest first.

    Parameters
    ----------
    source : Explanation or mapping of str to sequence
        An explanation, or columns ``feature``, ``contribution`` and perhaps ``shown``.
    row : int
        Which row of an `Explanation`.
    output : str or int, optional
        Which output of an `Explanation`.
    top : int
        Features beyond the largest `top` are summed in the last row.
    """
    table = _row_columns(source, row, output) if isinstance(source, Explanation) else source
    rows = need(table, "waterfall", "feature", "contribution")
    shown = [None if cell == "" else cell for cell in column(table, "shown", rows)]
    size = [abs(finite(value) or 0.0) for value in table["contribution"]]
    order = sorted(range(rows), key=lambda i: -size[i])
    kept, rest = (order, []) if rows <= top else (order[: top - 1], order[top - 1 :])
    result = {
        "feature": [table["feature"][i] for i in kept],
        "shown": [shown[i] for i in kept],
        "contribution": [finite(table["contribution"][i]) for i in kept],
    }
    if rest:
        result["feature"].append(f"{len(rest)} others together")
        result["shown"].append(None)
        result["contribution"].append(sum(finite(table["contribution"][i]) or 0.0 for i in rest))
    return result


def waterfall(
    source: Explanation | Columns,
    *,
    row: int = 0,
    output: str | int | None = None,
    top: int = 12,
    base: float | None = None,
    prediction: float | None = None,
    x_title: str | None = None,
    title: str = "",
    description: str = "",
) -> theme.Chart:
    """Draw how one row's contributions lead from the base to the model's output.

    Parameters
    ----------
    source, row, output, top
        See `waterfall_data`.
    base, prediction : float, optional
        Where the contributions start and what the model said; taken from an `Explanation`.
    x_title, title, description : str, optional
        Name of the axis with its unit; title; what a reader who cannot see the picture needs.

    Examples
    --------
    >>> table = {"feature": ["income", "debt"], "shown": ["61", "0.2"], "contribution": [0.3, -0.1]}
    >>> chart = waterfall(table, base=0.5, prediction=0.7)
    >>> [row["end"] for row in chart.to_dict()["data"]["values"]]
    [0.5, 0.8, 0.7, 0.7]
    """
    table = waterfall_data(source, row=row, output=output, top=top)
    if isinstance(source, Explanation):
        k = one_output(source.outputs, output)
        base, prediction = float(source.base_values[row, k]), float(source.prediction[row, k])
        x_title = x_title or f"{source.outputs[k]} ({str(source.space).replace('_', ' ')})"
    if not table["feature"]:
        return theme.empty(title, description)
    start = finite(base) or 0.0
    drawn = _drawn(table, start, finite(prediction))
    height = theme.rows_height(drawn["key"])
    return theme.finish(_layers(x_title), data(drawn), title=title, description=description, height=height)


def _layers(x_title: str | None) -> list[alt.Chart]:
    tooltip = [
        alt.Tooltip("full:N", title="feature"),
        alt.Tooltip("shown:N", title="value"),
        alt.Tooltip("text:N", title="contribution"),
    ]
    sign = alt.Color("sign:N", scale=theme.SIGNS, legend=None)
    y = theme.rows_axis()
    x = theme.number_axis("start:Q", x_title)
    bar = alt.Chart().mark_bar(height=14).encode(x=x, x2="end:Q", y=y, color=sign, tooltip=tooltip)
    stop = alt.Chart().mark_tick(color=theme.INK, thickness=3, height=18).encode(x="end:Q", y=y, tooltip=tooltip)
    return [
        theme.number_column(),  # first, because it has every row and so sets their order
        bar.transform_filter(alt.datum.kind == "step"),
        stop.transform_filter(alt.datum.kind == "end"),
    ]


def _row_columns(explanation: Explanation, row: int, output: str | int | None) -> Columns:
    check_row(row, len(explanation))
    k = one_output(explanation.outputs, output)
    shown: list[Any] = [None] * len(explanation.features)
    if explanation.data is not None:
        held = explanation.data.names
        shown = [
            explanation.data.column(name)[row] if name in held else None  # grouped features have no column
            for name in explanation.features
        ]
    return {
        "feature": list(explanation.features),
        "shown": [None if cell is None else value_text(cell) for cell in shown],
        "contribution": [float(value) for value in explanation.values[row, :, k]],
    }


def value_text(cell: Any) -> str:
    """Return a row's own value as text: whole numbers without a point, others with four digits."""
    if isinstance(cell, str):
        return cell
    try:
        number = float(cell)
    except (TypeError, ValueError):
        return str(cell)
    if math.isnan(number):
        return "missing"
    return f"{number:,.0f}" if number.is_integer() and abs(number) < 1e15 else number_text(number, 4)


def _drawn(table: Columns, base: float, prediction: float | None) -> dict[str, list[Any]]:
    contributions = [finite(value) or 0.0 for value in table["contribution"]]
    ends = [base]
    for contribution in contributions:
        ends.append(ends[-1] + contribution)
    last = ends[-1] if prediction is None else prediction
    names = [
        shorten(feature, 34) if shown is None else f"{shorten(feature, 24)} = {shorten(shown, 16)}"
        for feature, shown in zip(table["feature"], table["shown"], strict=True)
    ]
    numbers = number_texts(table["contribution"], signed=True)
    arrows = [f"{'▼' if value < 0 else '▲'} {text}" for value, text in zip(contributions, numbers, strict=True)]
    return {
        "key": distinct(["Base", *names, "Model’s output"]),
        "full": ["Base", *(shorten(feature, 300) for feature in table["feature"]), "Model’s output"],
        "shown": ["", *("" if shown is None else shorten(shown, 120) for shown in table["shown"]), ""],
        "start": [base, *ends[:-1], last],
        "end": [base, *(_rounded(end) for end in ends[1:]), last],
        "sign": ["", *("down" if value < 0 else "up" for value in contributions), ""],
        "kind": ["end", *("step" for _ in contributions), "end"],
        "text": [number_text(base), *arrows, number_text(last)],
    }


def _rounded(value: float) -> float:
    return float(f"{value:.12g}")  # a position on paper: the sum's rounding would only be noise in the file
