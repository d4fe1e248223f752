"""Compare: what two or more methods say about the same row."""

from collections.abc import Mapping
from typing import Any, cast

import altair as alt

from pellucid._base.numbers import finite, number_texts
from pellucid.explanation import Explanation
from pellucid.plot import theme
from pellucid.plot.labels import distinct, shorten
from pellucid.plot.tables import Columns, check_row, column, data, need, one_output


def compare_data(
    source: Mapping[str, Explanation] | Columns, *, row: int = 0, output: str | int | None = None, top: int = 10
) -> dict[str, list[Any]]:
    """Return the table behind `compare`: feature, method, contribution.

    Parameters
    ----------
    source : mapping of str to Explanation, or of str to sequence
        Explanations of the same rows by the name of their method, or columns ``feature``,
        ``method``, ``contribution``.
    row : int
        Which row of the explanations.
    output : str or int, optional
        Which output of the explanations.
    top : int
        Features kept: those with the largest contribution by any method.
    """
    parts = {name: part for name, part in source.items() if isinstance(part, Explanation)}
    table = _columns(parts, row, output) if parts else cast(Columns, source)
    rows = need(table, "compare", "feature", "method", "contribution")
    columns = {name: column(table, name, rows) for name in ("feature", "method", "contribution")}
    largest: dict[Any, float] = {}
    for feature, value in zip(columns["feature"], columns["contribution"], strict=True):
        largest[feature] = max(largest.get(feature, 0.0), abs(finite(value) or 0.0))
    order = {feature: i for i, feature in enumerate(sorted(largest, key=lambda feature: -largest[feature])[:top])}
    kept = sorted(
        (i for i in range(rows) if columns["feature"][i] in order), key=lambda i: order[columns["feature"][i]]
    )
    return {name: [cells[i] for i in kept] for name, cells in columns.items()}


def compare(
    source: Mapping[str, Explanation] | Columns,
    *,
    row: int = 0,
    output: str | int | None = None,
    top: int = 10,
    x_title: str | None = None,
    title: str = "",
    description: str = "",
) -> theme.Chart:
    """Draw the contributions that methods give to the same features, side by side.

    Parameters
    ----------
    source, row, output, top
        See `compare_data`.
    x_title, title, description : str, optional
        Name of the axis with its unit; title; what a reader who cannot see the picture needs.

    Examples
    --------
    >>> table = {"feature": ["age", "age"], "method": ["SHAP", "LIME"], "contribution": [0.2, 0.1]}
    >>> [row["text"] for row in compare(table).to_dict()["data"]["values"]]
    ['+0.200', '+0.100']
    """
    table = compare_data(source, row=row, output=output, top=top)
    if not table["feature"]:
        return theme.empty(title, description)
    drawn = _drawn(table)
    methods = list(dict.fromkeys(drawn["method"]))
    height = theme.rows_height(drawn["key"], len(methods))
    return theme.finish(_layers(methods, x_title), data(drawn), title=title, description=description, height=height)


def _layers(methods: list[str], x_title: str | None) -> list[alt.Chart]:
    colours, shapes, _ = theme.series_scales(methods)
    offset = alt.YOffset("method:N", sort=None, scale=alt.Scale(domain=methods))
    tooltip = [
        alt.Tooltip("full:N", title="feature"),
        alt.Tooltip("method:N", title="method"),
        alt.Tooltip("text:N", title="contribution"),
    ]
    colour = alt.Color("method:N", scale=colours, title=None)
    shared: dict[str, Any] = {"y": theme.rows_axis(), "yOffset": offset, "color": colour, "tooltip": tooltip}
    x = theme.number_axis("contribution:Q", x_title, zero=True)
    stem = alt.Chart().mark_rule(strokeWidth=2).encode(x=x, x2=alt.datum(0), **shared)
    point = alt.Chart().mark_point(filled=True, size=70, opacity=1)
    zero = alt.Chart().mark_rule(color=theme.FAINT).encode(x=alt.datum(0))
    shape = alt.Shape("method:N", scale=shapes, title=None)
    return [zero, stem, point.encode(x=x, shape=shape, **shared), theme.number_column(offset)]


def _columns(parts: Mapping[str, Explanation], row: int, output: str | int | None) -> Columns:
    table: dict[str, list[Any]] = {"feature": [], "method": [], "contribution": []}
    for name, part in parts.items():
        check_row(row, len(part))
        k = one_output(part.outputs, output)
        table["feature"].extend(part.features)
        table["method"].extend([name] * len(part.features))
        table["contribution"].extend(float(value) for value in part.values[row, :, k])
    return table


def _drawn(table: Columns) -> dict[str, list[Any]]:
    features = list(dict.fromkeys(table["feature"]))
    keys = dict(zip(features, distinct(features, 34), strict=True))
    return {
        "key": [keys[feature] for feature in table["feature"]],
        "full": [shorten(feature, 300) for feature in table["feature"]],
        "method": [shorten(method) for method in table["method"]],
        "contribution": [finite(value) for value in table["contribution"]],
        "text": number_texts(table["contribution"], signed=True),
    }
