"""The chart of the page: how many times faster than the best peer, beside what was set out."""

import math
from typing import Any

import altair as alt
import vl_convert

from pellucid.plot import theme

MARKS = ("must", "aim")
WIDER = {"left": 40, "right": 40, "top": 5, "bottom": 5}
"""Pixels for letters that are wider where the picture is seen than where it was drawn."""


def draw(lines: list[dict[str, Any]]) -> str:
    """Return an SVG: a bar for each scenario's ratio, ticks for what was set out."""
    rows = [
        {
            "key": line["scenario"].title,
            "ratio": line["ratio"],
            "text": f"{line['ratio']:.{0 if line['ratio'] >= 10 else 1}f}x over {line['peer']}",
            "must": line["scenario"].must,
            "aim": line["scenario"].aim,
        }
        for line in lines
        if not math.isnan(line["ratio"])
    ]
    axis = alt.Axis(title="times the speed of the best peer (logarithmic)", values=[1, 3, 10, 30, 100, 300])
    scale = alt.Scale(type="log", domain=[1, max([200.0, *(row["ratio"] for row in rows)])])
    base = alt.Chart().encode(y=theme.rows_axis())
    bars = base.mark_bar(color=theme.NEUTRAL, height=14).encode(
        x=alt.X("ratio:Q", axis=axis, scale=scale), x2=alt.datum(1)
    )
    words = base.mark_text(align="left", dx=6).encode(x=alt.value("width"), text="text:N")
    ticks = [
        base.mark_tick(thickness=3, height=20, color=colour).encode(x=alt.X(f"{name}:Q", scale=scale))
        for name, colour in zip(MARKS, (theme.UP, theme.DOWN), strict=True)
    ]
    chart = theme.finish(
        [bars, *ticks, words],
        alt.Data(values=rows),
        title="Faster than the best peer; orange: must, blue: aim",
        description="Ratio of the best peer's time to ours for each scenario.",
        height=theme.rows_height([row["key"] for row in rows]),
    ).properties(padding=WIDER)
    return str(vl_convert.vegalite_to_svg(chart.to_json()))
