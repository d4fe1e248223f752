"""Pictures of exhibits: a static one for every reader, and its description for the interactive one."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import vl_convert
from markupsafe import Markup

from pellucid._base.errors import InputError
from pellucid.auditing.findings import Exhibit
from pellucid.plot import draw, image, text, theme
from pellucid.plot.inline import Html
from pellucid.plot.labels import shorten
from pellucid.report.svg import inline_svg

VARIABLES = {
    theme.DOWN: "var(--down)",
    theme.UP: "var(--up)",
    theme.NEUTRAL: "var(--neutral)",
    theme.INK: "var(--ink)",
    theme.MUTED: "var(--muted)",
    theme.GRID: "var(--grid)",
    theme.FAINT: "var(--faint)",
    theme.BOX: "var(--box)",
    theme.PAPER: "transparent",
    **{colour: f"var(--series-{i})" for i, colour in enumerate(theme.SERIES, start=1) if i > 2},
}
"""The theme's colours as the page's own, so that a picture follows light, dark and paper."""


USERS = ("data", "title", "description")
"""Keys whose values are the user's, never a colour of ours."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A static SVG and the Vega-Lite description that scripts may bring to life.

    Parameters
    ----------
    svg : Markup or str
        Safe to stand in a page; empty where there is no picture.
    inline : Html or str
        Text or an image under its values, in place of the two.
    spec : dict or None
        Vega-Lite, without the configuration that all pictures share.
    note : str
        Why there is no picture, where one was asked for.
    """

    svg: str = ""
    inline: str = ""
    spec: dict[str, Any] | None = None
    note: str = ""


def picture_of(exhibit: Exhibit, name: str) -> Picture:
    """Draw an exhibit; what cannot be drawn is said, and its table still stands in the report.

    Parameters
    ----------
    exhibit : Exhibit
    name : str
        An identifier of our own, unique in the page.
    """
    if exhibit.kind == "table":
        return Picture()
    try:
        if exhibit.kind in INLINE:
            return Picture(inline=INLINE[exhibit.kind](exhibit))
        chart = draw(exhibit.kind, exhibit.table, exhibit.options, description=exhibit.description)
    except InputError as error:
        return Picture(note=f"There is no picture: {error}")
    return picture_of_chart(chart, name)


def _text(exhibit: Exhibit) -> Html:
    return text(exhibit.table, **_sums(exhibit))


def _image(exhibit: Exhibit) -> Html:
    """The areas of a grid, spread over the picture that they were taken from."""
    rows, columns = (np.asarray(exhibit.table[name], dtype=np.int64) for name in ("row", "column"))
    heat = np.zeros((rows.max() + 1, columns.max() + 1))
    heat[rows, columns] = exhibit.table["value"]
    height, width = exhibit.pixels.shape[:2]
    spread = heat[np.ix_(np.arange(height) * len(heat) // height, np.arange(width) * heat.shape[1] // width)]
    sums = {name: [value] for name, value in _sums(exhibit).items()}
    return image({"image": [exhibit.pixels], "heat": [spread], "total": [heat.sum()], **sums})


def _sums(exhibit: Exhibit) -> dict[str, Any]:
    return {name: exhibit.options.get(name) for name in ("base", "prediction")}


INLINE: dict[str, Callable[[Exhibit], Html]] = {"text": _text, "image": _image}
"""Kinds that are drawn as HTML, not as charts."""


def picture_of_chart(chart: theme.Chart, name: str) -> Picture:
    """Render a chart for the page."""
    spec = themed(chart.to_dict(validate=False))  # our own charts: the tests validate each kind
    svg = inline_svg(vl_convert.vegalite_to_svg(json.dumps(spec)), name)
    for key in ("config", "$schema"):
        spec.pop(key, None)
    if spec.get("width") == theme.WIDTH:
        spec.update(width="container", autosize={"type": "fit-x", "contains": "padding"})
    return Picture(svg=Markup(svg), spec=spec)  # noqa: S704  (inline_svg keeps drawing elements only)


def shared_config() -> dict[str, Any]:
    """Return the configuration of every picture, in the page's own colours."""
    return {**themed(theme.CONFIG), "aria": False}  # the page itself says what a picture shows


def themed(part: Any) -> Any:
    """Return a description with the page's colours; data are left as they are."""
    if isinstance(part, Mapping):
        return {key: value if key in USERS else themed(value) for key, value in part.items()}
    if isinstance(part, list):
        return [themed(value) for value in part]
    return VARIABLES.get(part, part) if isinstance(part, str) else part


def caption_of(exhibit: Exhibit) -> str:
    """Return the title of an exhibit, at a length that can be read."""
    return shorten(exhibit.title, 160)
