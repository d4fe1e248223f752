"""Draw evidence by the name of its picture."""

from collections.abc import Callable, Mapping
from typing import Any

from pellucid._base.errors import InputError
from pellucid.plot.bars import bars
from pellucid.plot.calibration import calibration
from pellucid.plot.compare import compare
from pellucid.plot.effect import effect
from pellucid.plot.frontier import frontier
from pellucid.plot.intervals import intervals
from pellucid.plot.lines import lines
from pellucid.plot.tables import Columns
from pellucid.plot.theme import Chart
from pellucid.plot.tree import tree
from pellucid.plot.waterfall import waterfall

DRAWERS: dict[str, tuple[Callable[..., Chart], tuple[str, ...]]] = {
    "bars": (bars, ("x_title",)),
    "intervals": (intervals, ("x_title", "reference", "reference_label")),
    "waterfall": (waterfall, ("base", "prediction", "x_title")),
    "compare": (compare, ("x_title",)),
    "calibration": (calibration, ()),
    "effect": (effect, ("x_title", "y_title")),
    "frontier": (frontier, ("x_title", "y_title")),
    "lines": (lines, ("x_title", "y_title")),
    "tree": (tree, ()),
}
"""Every kind of picture that a table alone can make, with the options it takes."""


def draw(
    kind: str, table: Columns, options: Mapping[str, Any] | None = None, *, title: str = "", description: str = ""
) -> Chart:
    """Draw the picture of a kind from a table.

    Parameters
    ----------
    kind : str
        One of the keys of `DRAWERS`.
    table : mapping of str to sequence
        The columns that this kind needs; see the function of that name.
    options : mapping, optional
        Those that this kind takes, such as ``x_title``.
    title, description : str
        Shown above the picture; read to those who cannot see it.

    Raises
    ------
    InputError
        When there is no such kind, or the table or an option does not fit it.

    Examples
    --------
    >>> draw("bars", {"label": ["income"], "value": [0.3]}, {"x_title": "change"}).description
    'chart'
    """
    if kind not in DRAWERS:
        raise InputError(f"there is no picture of kind {kind!r}; there are {', '.join(DRAWERS)}.")
    drawer, known = DRAWERS[kind]
    given = dict(options or {})
    unknown = [name for name in given if name not in known]
    if unknown:
        takes = ", ".join(known) or "none"
        raise InputError(f"a {kind!r} picture has no option {', '.join(unknown)}; its options: {takes}.")
    return drawer(table, **given, title=title, description=description)
