"""Scatter: contributions of many rows, for one feature or for the most important ones."""

from typing import Any

import altair as alt
import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.numbers import finite, number_texts
from pellucid._base.typing import Array, Float1
from pellucid.explanation import Explanation
from pellucid.explanation.explanation import named_positions
from pellucid.plot import theme
from pellucid.plot.labels import distinct, shorten
from pellucid.plot.tables import data, one_output
from pellucid.plot.waterfall import value_text

LANE = 11.0
"""Half the height of a feature's lane in `beeswarm`, in pixels."""


def scatter_data(
    explanation: Explanation, feature: str | int, *, output: str | int | None = None, most: int = 1000
) -> dict[str, list[Any]]:
    """Return the table behind `scatter`: value, contribution, row; at most `most` rows, evenly spread."""
    rows, k = _rows(explanation, most), one_output(explanation.outputs, output)
    j = named_positions(feature, explanation.features, "feature")[0]
    cells = _cells(explanation, j)
    return {
        "value": [cells[i] for i in rows],
        "contribution": [float(explanation.values[i, j, k]) for i in rows],
        "row": rows,
    }


def scatter(
    explanation: Explanation,
    feature: str | int,
    *,
    output: str | int | None = None,
    most: int = 1000,
    title: str = "",
    description: str = "",
) -> theme.Chart:
    """Draw one feature's contribution against its value: one point per row.

    Parameters
    ----------
    explanation : Explanation
        With its rows (`data`).
    feature : str or int
        Which feature.
    output : str or int, optional
        Which output.
    most : int
        At most so many rows, evenly spread.
    title, description : str
        Shown above the picture; read to those who cannot see it.
    """
    table = scatter_data(explanation, feature, output=output, most=most)
    if not table["row"]:
        return theme.empty(title, description)
    text = any(isinstance(value, str | bool) for value in table["value"])
    keys = [shorten(value_text(value), 30) for value in table["value"]] if text else map(finite, table["value"])
    drawn: dict[str, list[Any]] = {
        "x": list(keys),
        "y": [finite(value) for value in table["contribution"]],
        "sign": ["down" if value < 0 else "up" for value in table["contribution"]],
        "shown": [shorten("missing" if value is None else value_text(value), 120) for value in table["value"]],
        "text": number_texts(table["contribution"], signed=True),
        "row": table["row"],
    }
    name = explanation.features[named_positions(feature, explanation.features, "feature")[0]]
    axis = alt.Axis(labelAngle=-30, labelLimit=130)
    x = alt.X("x:N", title=theme.axis_title(name), axis=axis) if text else theme.number_axis("x:Q", name)
    y = theme.height_axis("y:Q", f"contribution ({str(explanation.space).replace('_', ' ')})")
    shapes = alt.Scale(domain=["down", "up"], range=["triangle-down", "triangle-up"])
    point = (
        alt.Chart()
        .mark_point(filled=True, size=34, opacity=0.65)
        .encode(
            x=x,
            y=y,
            color=alt.Color("sign:N", scale=theme.SIGNS, legend=None),
            shape=alt.Shape("sign:N", scale=shapes, legend=None),
            tooltip=[
                alt.Tooltip("row:N", title="row"),
                alt.Tooltip("shown:N", title=theme.axis_title(name)),
                alt.Tooltip("text:N", title="contribution"),
            ],
        )
    )
    zero = alt.Chart().mark_rule(color=theme.FAINT).encode(y=alt.datum(0))
    return theme.finish([zero, point], data(drawn), title=title, description=description, height=260)


def beeswarm_data(
    explanation: Explanation, *, output: str | int | None = None, top: int = 12, most: int = 400
) -> dict[str, list[Any]]:
    """Return the table behind `beeswarm`: feature, contribution, level, row.

    `level` is the rank of the row's value among the drawn rows, from 0 (lowest) to 1 (highest);
    None where the feature has no order or no value.
    """
    rows, k = _rows(explanation, most), one_output(explanation.outputs, output)
    size = np.abs(explanation.values[:, :, k]).mean(axis=0) if len(explanation) else np.zeros(len(explanation.features))
    table: dict[str, list[Any]] = {"feature": [], "contribution": [], "level": [], "row": []}
    for j in np.argsort(-size, kind="stable")[:top]:
        cells = _cells(explanation, int(j))
        table["feature"].extend([explanation.features[j]] * len(rows))
        table["contribution"].extend(float(explanation.values[i, j, k]) for i in rows)
        table["level"].extend(_levels([cells[i] for i in rows]))
        table["row"].extend(rows)
    return table


def beeswarm(
    explanation: Explanation,
    *,
    output: str | int | None = None,
    top: int = 12,
    most: int = 400,
    title: str = "",
    description: str = "",
) -> theme.Chart:
    """Draw every row's contributions, one lane per feature, coloured by the feature's own value.

    Parameters
    ----------
    explanation, output, top, most
        See `beeswarm_data`: the `top` features with the largest mean size, at most `most` rows.
    title, description : str
        Shown above the picture; read to those who cannot see it.
    """
    table = beeswarm_data(explanation, output=output, top=top, most=most)
    if not table["row"]:
        return theme.empty(title, description)
    features = list(dict.fromkeys(table["feature"]))
    keys = dict(zip(features, distinct(features, 34), strict=True))
    drawn: dict[str, list[Any]] = {
        "key": [keys[feature] for feature in table["feature"]],
        "x": [finite(value) for value in table["contribution"]],
        "lane": _lanes(table, len(table["row"]) // len(features)),
        "level": table["level"],
        "full": [shorten(feature, 300) for feature in table["feature"]],
        "text": number_texts(table["contribution"], signed=True),
        "row": table["row"],
    }
    legend = alt.Legend(title="the feature’s own value, by rank", values=[0, 1], format=".0%", gradientLength=160)
    colour = alt.Color("level:Q", scale=alt.Scale(scheme="viridis", domain=[0, 1]), legend=legend)
    offset = alt.YOffset("lane:Q", scale=alt.Scale(domain=[-LANE, LANE], range=[2, 2 * LANE + 2]))
    point = (
        alt.Chart()
        .mark_circle(size=22, opacity=0.8)
        .encode(
            x=theme.number_axis("x:Q", f"contribution ({str(explanation.space).replace('_', ' ')})"),
            y=theme.rows_axis(),
            yOffset=offset,
            color=colour,
            tooltip=[
                alt.Tooltip("full:N", title="feature"),
                alt.Tooltip("row:N", title="row"),
                alt.Tooltip("text:N", title="contribution"),
            ],
        )
    )
    zero = alt.Chart().mark_rule(color=theme.FAINT).encode(x=alt.datum(0))
    height = theme.rows_height(drawn["key"])
    return theme.finish([zero, point], data(drawn), title=title, description=description, height=height)


def _rows(explanation: Explanation, most: int) -> list[int]:
    count = len(explanation)
    return [int(i) for i in np.unique(np.linspace(0, count - 1, min(count, most)).round())] if count else []


def _cells(explanation: Explanation, j: int) -> Array:
    name = explanation.features[j]
    if explanation.data is None:
        raise InputError("this picture needs the explained rows, but the explanation was saved without them.")
    if name not in explanation.data.names:  # a group of columns has no one value
        return np.full(len(explanation), None, dtype=object)
    return explanation.data.column(name)


def _levels(cells: list[Any]) -> list[float | None]:
    numbers = [None if isinstance(cell, str) else finite(cell) for cell in cells]
    known = sorted({number for number in numbers if number is not None})
    place = {number: i / max(len(known) - 1, 1) for i, number in enumerate(known)}
    return [None if number is None else place[number] for number in numbers]


def _lanes(table: dict[str, list[Any]], rows: int) -> list[float]:
    """Points that would hide each other move up and down in turn, never out of their lane."""
    values: Float1 = np.array([finite(value) or 0.0 for value in table["contribution"]])
    bins = np.floor((values - values.min()) / (np.ptp(values) or 1.0) * 90).astype(int)
    lanes = []
    for start in range(0, len(values), rows):
        part = bins[start : start + rows]
        counts = np.bincount(part, minlength=91)
        step = min(3.0, LANE / max(1.0, counts.max() / 2))
        seen: dict[int, int] = {}
        for place in part.tolist():
            nth = seen.get(place, 0)
            seen[place] = nth + 1
            lanes.append(round((-1) ** nth * ((nth + 1) // 2) * step, 2))
    return lanes
