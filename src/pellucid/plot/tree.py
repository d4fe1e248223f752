"""Tree: a decision tree drawn from its table of nodes, the root at the left."""

import textwrap
from typing import Any

import altair as alt

from pellucid._base.errors import InputError
from pellucid.plot import theme
from pellucid.plot.labels import shorten
from pellucid.plot.tables import Columns, column, data, need

MOST_LEAVES = 32
"""Boxes one below the other that can still be read; deeper levels stay in the table."""
BOX, GAP, ROW, LINE = 150, 136, 46, 14


def tree_data(source: Columns) -> dict[str, list[Any]]:
    """Return the table behind `tree`: id, parent, branch, text, depth and place (in leaves from the top).

    Whole levels are left out from the bottom until at most 32 boxes stand one below the other.

    Raises
    ------
    InputError
        When the nodes do not form one tree.
    """
    rows = need(source, "tree", "id", "parent", "branch", "text")
    table = {name: column(source, name, rows) for name in ("id", "parent", "branch", "text")}
    depth = _depths(table)
    for most in range(max(depth, default=0), -1, -1):
        kept = [i for i in range(rows) if depth[i] <= most]
        place = _places(table, kept)
        if max(place.values(), default=0.0) < MOST_LEAVES:
            break
    result = {name: [cells[i] for i in kept] for name, cells in table.items()}
    return {**result, "depth": [depth[i] for i in kept], "place": [place[i] for i in kept]}


def tree(source: Columns, *, title: str = "", description: str = "") -> theme.Chart:
    """Draw a decision tree from left to right; each box says what its node says.

    Parameters
    ----------
    source : mapping of str to sequence
        Columns ``id``, ``parent`` (-1 for the root), ``branch`` (on the way from the parent), ``text``.
    title, description : str
        Shown above the picture; read to those who cannot see it.

    Examples
    --------
    >>> table = {"id": [0, 1, 2], "parent": [-1, 0, 0], "branch": ["", "yes", "no"], "text": ["a < 1", "0.2", "0.7"]}
    >>> [row["y"] for row in tree(table).to_dict()["data"]["values"]]
    [46.0, 23.0, 69.0]
    """
    table = tree_data(source)
    if not table["id"]:
        return theme.empty(title, description)
    left_out = len(source["id"]) - len(table["id"])
    if left_out:
        title = f"{title} (top levels; {left_out} deeper nodes are in the table)".strip()
    drawn = _drawn(table)
    width = (max(table["depth"]) + 1) * BOX + max(table["depth"]) * GAP
    height = round((max(table["place"]) + 1) * ROW)
    return theme.finish(
        _layers(width, height), data(drawn), title=title, description=description, width=width, height=height
    )


def _depths(table: Columns) -> list[int]:
    position = {node: i for i, node in enumerate(table["id"])}
    roots = [i for i, parent in enumerate(table["parent"]) if parent == -1]
    if len(position) < len(table["id"]) or (table["id"] and len(roots) != 1):
        raise InputError(f"a tree has one root (parent -1) and distinct ids; got {len(roots)} roots.")
    children = _children(table, list(range(len(table["id"]))))
    depth = [-1] * len(table["id"])
    level = roots
    step = 0
    while level:
        for i in level:
            depth[i] = step
        level = [child for i in level for child in children.get(table["id"][i], [])]
        step += 1
    if -1 in depth:
        raise InputError(f"node {table['id'][depth.index(-1)]!r} of the tree cannot be reached from the root.")
    return depth


def _children(table: Columns, kept: list[int]) -> dict[Any, list[int]]:
    children: dict[Any, list[int]] = {}
    for i in kept:
        children.setdefault(table["parent"][i], []).append(i)
    return children


def _places(table: Columns, kept: list[int]) -> dict[int, float]:
    """Leaves one below the other, every parent in the middle of its children."""
    children = _children(table, kept)
    place: dict[int, float] = {}
    leaves = 0
    stack = list(reversed(children.get(-1, [])))
    while stack:
        i = stack[-1]
        below = children.get(table["id"][i], [])
        if below and below[0] not in place:
            stack.extend(reversed(below))
            continue
        if not below:
            place[i] = float(leaves)
            leaves += 1
        else:
            place[i] = (place[below[0]] + place[below[-1]]) / 2
        stack.pop()
    return place


def _layers(width: int, height: int) -> list[alt.Chart]:
    def x(field: str) -> alt.X:
        return alt.X(field, axis=None, scale=alt.Scale(domain=[0, width], nice=False, zero=False))

    def y(field: str) -> alt.Y:
        return alt.Y(field, axis=None, scale=alt.Scale(domain=[height, 0], nice=False, zero=False))

    tooltip = [alt.Tooltip("full:N", title="node"), alt.Tooltip("way:N", title="when")]
    edge = alt.Chart().mark_rule(color=theme.FAINT, strokeWidth=1.5)
    box = alt.Chart().mark_rect(cornerRadius=4, fill=theme.BOX, stroke=theme.FAINT, strokeWidth=1)
    words = alt.Chart().mark_text(align="left", dx=8, baseline="middle", lineBreak="\n", fontSize=11.5, lineHeight=LINE)
    branch = alt.Chart().mark_text(
        align="right", dx=-6, baseline="middle", color=theme.MUTED, fontSize=11, limit=GAP - 12
    )
    inner = alt.datum.root == 0
    return [
        edge.encode(x=x("bend:Q"), x2="left:Q", y=y("y:Q")).transform_filter(inner),
        edge.encode(x=x("bend:Q"), y=y("y:Q"), y2="from:Q").transform_filter(inner),
        edge.encode(x=x("start:Q"), x2="bend:Q", y=y("from:Q")).transform_filter(inner),
        box.encode(x=x("left:Q"), x2="right:Q", y=y("top:Q"), y2="bottom:Q", tooltip=tooltip),
        words.encode(x=x("left:Q"), y=y("first:Q"), text="text:N"),
        branch.encode(x=x("left:Q"), y=alt.Y("above:Q"), text="branch:N"),
    ]


def _drawn(table: Columns) -> dict[str, list[Any]]:
    spot = dict(zip(table["id"], zip(table["depth"], table["place"], strict=True), strict=True))
    lefts = [depth * (BOX + GAP) for depth in table["depth"]]
    ys = [(place + 0.5) * ROW for place in table["place"]]
    starts = [left - GAP for left in lefts]
    texts = [textwrap.wrap(shorten(text, 46), 23)[:2] for text in table["text"]]
    parents = [(spot[parent][1] + 0.5) * ROW if parent in spot else 0.0 for parent in table["parent"]]
    return {
        "left": lefts,
        "right": [left + BOX for left in lefts],
        "y": ys,
        "top": [y - ROW / 2 + 4 for y in ys],
        "bottom": [y + ROW / 2 - 4 for y in ys],
        "start": starts,
        "bend": [start + 8 for start in starts],
        "from": parents,
        "above": [y - 8 for y in ys],
        "root": [int(parent == -1) for parent in table["parent"]],
        "first": [y - LINE / 2 * (len(lines) - 1) for y, lines in zip(ys, texts, strict=True)],
        "text": ["\n".join(lines) for lines in texts],
        "branch": [shorten(branch, 24) for branch in table["branch"]],
        "full": [shorten(text, 300) for text in table["text"]],
        "way": [shorten(branch, 300) for branch in table["branch"]],
    }
