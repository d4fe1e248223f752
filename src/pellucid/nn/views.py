"""Pictures of what a network holds: attention of every head, maps with their checks, channels, patching."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.numbers import figure, percent
from pellucid._base.typing import Array, Float2
from pellucid.nn.activations import ChannelGrid, LayerSummary
from pellucid.nn.attending import Attention
from pellucid.nn.maps import AttentionMap
from pellucid.nn.patching import Patching
from pellucid.plot import image, text
from pellucid.plot.image import heat_file
from pellucid.plot.inline import Html, escaped, figure_of, level_of, limit_of, literal, scale_of, tint
from pellucid.plot.png import data_uri, png

SIDE = 128
"""Pixels to which small pictures are enlarged, by whole factors."""
SHOWN_SHARE = 0.99
"""Share of attention weights that the scale tells apart: a few are so large that on their scale the rest is pale."""
LONGEST = 256
"""Tokens of a head that have a pixel each; longer texts are averaged down."""
BYTES = 640_000
"""Bytes of all PNG files of a picture, so that it stays below 1 MB as text."""


def draw_attention(
    attention: Attention, *, row: int = 0, tokens: Sequence[str] | None = None, special: Sequence[int] = ()
) -> Html:
    """Draw every head of every layer: rows of a square are the tokens that look, columns those that are looked at.

    Parameters
    ----------
    attention : Attention
    row : int
    tokens : sequence of str, optional
        The row's tokens, to name what each head looks at most.
    special : sequence of int
        Positions of special tokens and padding. The reader may leave them out; what is left is on the same scale.

    Returns
    -------
    Html
        Below 1 MB, without scripts.

    Raises
    ------
    InputError
        When there is no such row, or tokens or positions do not fit it.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn import attention
    >>> from pellucid.nn.views import draw_attention
    >>> layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> draw_attention(attention(layer, torch.randn(1, 5, 8)))  # doctest: +ELLIPSIS
    <picture of ... characters of HTML>
    """
    _check_row(row, min(map(len, attention.weights)))
    squares = [np.asarray(weights[row], dtype=np.float64) for weights in attention.weights]
    keys = squares[0].shape[2]
    if tokens is not None and len(tokens) != keys:
        raise InputError(f"tokens must name the {keys} positions of the row; got {len(tokens)}.")
    if special and any(square.shape[1:] != (keys, keys) for square in squares):
        raise InputError("special= needs self-attention over the same positions in every layer; leave it out.")
    if any(not 0 <= at < keys for at in special):
        raise InputError(f"special must be positions between 0 and {keys - 1}; got {list(special)}.")
    views = [("all tokens", squares)]
    if special:
        kept = np.setdiff1d(np.arange(keys), list(special))
        views.append(("without special tokens", [square[:, kept][:, :, kept] for square in squares]))
    limit = float(np.quantile(np.concatenate([square.ravel() for square in squares]), SHOWN_SHARE))
    budget = BYTES // max(1, sum(len(square) for _, those in views for square in those))
    names = None if tokens is None else list(tokens)
    panels = [
        (name, _heads(attention.layers, those, limit, budget, names if name == views[0][0] else None))
        for name, those in views
    ]
    return figure_of(
        panels, scale_of(limit, "attention weight; 1 in 100 is larger"), title="Attention of every head",
        description=f"attention of {sum(map(len, squares))} heads over {keys} tokens", fades=False, choice="Positions",
        notes=["Where a head looks is not what the output hangs on: attention_map checks that."],
    )  # fmt: skip


def _heads(layers: Sequence[str], squares: Sequence[Array], limit: float, budget: int, names: list[str] | None) -> str:
    rows = []
    for layer, square in zip(layers, squares, strict=True):
        cells = [_small(heads, limit, budget, f"head {k}{_looked_at(heads, names)}") for k, heads in enumerate(square)]
        rows.append(f"<div class=plv-name>{escaped(layer)}</div><div class=plv-row>{''.join(cells)}</div>")
    return "".join(rows)


def _looked_at(weights: Float2, names: list[str] | None) -> str:
    """The token that gets most of a head's attention."""
    if names is None:
        return ""
    received = weights.mean(axis=0)
    return f": {names[int(received.argmax())][:14]} {percent(float(received.max()))}"


def draw_attention_map(
    shown: AttentionMap, *, row: int = 0, tokens: Sequence[str] | None = None, picture: Any = None
) -> Html:
    """Draw a map over its tokens or its picture, with the check that tells whether the output hangs on it.

    Parameters
    ----------
    shown : AttentionMap
    row : int
    tokens : sequence of str, optional
        The row's tokens, for a map of a text.
    picture : array of shape (height, width) or (height, width, 1 or 3), optional
        The row's picture, for a map of patches.

    Raises
    ------
    InputError
        When neither or both are given, or they do not fit the map.
    """
    _check_row(row, len(shown.values))
    if (tokens is None) == (picture is None):
        raise InputError("give tokens= for a map of a text, or picture= for a map of patches.")
    title = f"Attention map ({shown.kind.replace('_', ' ')})"
    if tokens is not None:
        values = shown.values[row]
        if len(tokens) != len(values):
            raise InputError(f"tokens must name the {len(values)} tokens of the map; got {len(tokens)}.")
        drawn = text({"token": list(tokens), "value": values.tolist()}, title=title)
    else:
        pixels = np.asarray(picture)
        heat = _enlarged(shown.patches()[row], pixels.shape[:2])
        drawn = image({"image": [pixels], "heat": [heat], "total": [float(shown.values[row].sum())]}, title=title)
    said = "".join(
        f"<div class=plv-note>{literal(one)}</div>" for one in (shown.check.sentence(), shown.check.heads.sentence())
    )
    return Html(f"<div>{drawn}<div class=plv>{said}</div></div>")


def draw_channels(
    grid: ChannelGrid, *, layer: str = "", summary: LayerSummary | None = None, pictures: Any = None
) -> Html:
    """Draw channels of a layer for one input, each with the rows that excite it most where these are given.

    Parameters
    ----------
    grid : ChannelGrid
    layer : str
        Its name, for the title.
    summary : LayerSummary, optional
        What `summarize` found of the same layer.
    pictures : uint8 array of shape (rows, height, width, 3), optional
        The rows that `summary` is of, as a person sees them.

    Raises
    ------
    InputError
        When only one of `summary` and `pictures` is given, or they do not fit.
    """
    if (summary is None) != (pictures is None):
        raise InputError("top examples need both summary= and pictures=.")
    most = 0 if summary is None else min(3, summary.top_rows.shape[1])
    budget = BYTES // (len(grid.channels) * (1 + 2 * most))
    if summary is not None and (
        int(grid.channels.max()) >= len(summary.top_rows) or int(summary.top_rows.max()) >= len(pictures)
    ):
        raise InputError("summary= and pictures= must be of the layer and the rows that the grid is of.")
    cells = []
    for channel, heat in zip(grid.channels, grid.maps, strict=True):
        examples = "" if summary is None else _examples(summary.top_rows[channel, :most], np.asarray(pictures), budget)
        cells.append(_small(heat, grid.limit, budget, f"channel {channel}", examples))
    notes = [f"{len(grid.channels)} of {grid.total} channels, the strongest first, on one scale."]
    if summary is not None:
        notes.append(f"Below each channel: the rows, of {summary.n:,}, that excite it most.")
    return figure_of(
        [("channels", f"<div class=plv-row>{''.join(cells)}</div>")], scale_of(grid.limit, "activation"),
        title=f"Channels of {layer}" if layer else "Channels", description="maps of channels", notes=notes, fades=False,
    )  # fmt: skip


def _examples(rows: Array, pictures: Array, budget: int) -> str:
    """Pictures of rows, small, side by side."""
    side = max(8, int((budget / 3) ** 0.5))
    drawn = []
    for row in rows:
        step = max(1, -(-max(pictures.shape[1:3]) // min(side, 34)))
        small = np.ascontiguousarray(pictures[row][::step, ::step])
        drawn.append(f'<img width=34 height=34 src="{data_uri(png(small))}" alt="row {row}">')
    return "".join(drawn)


def draw_patching(found: Patching) -> Html:
    """Draw what each part of the clean input brings back: sites down, heads or positions across.

    Examples
    --------
    >>> from pellucid.nn import patch
    >>> from pellucid.nn.views import draw_patching
    >>> from pellucid.testing.networks import InductionModel, completions, repeated_sequences
    >>> clean, corrupt = repeated_sequences(10)
    >>> draw_patching(patch(InductionModel(), clean, corrupt, target=completions(clean)))  # doctest: +ELLIPSIS
    <picture of ... characters of HTML>
    """
    share = found.recovered
    limit = limit_of([float(value) for value in share[np.isfinite(share)]], None)
    head = "".join(f"<th scope=col>{column}</th>" for column in range(share.shape[1]))
    lines = "".join(
        f"<tr><th scope=row>{escaped(site)}</th>{''.join(_cell(value, limit) for value in values)}</tr>"
        for site, values in zip(found.sites, share, strict=True)
    )
    gap = float((found.clean - found.corrupt).mean())
    notes = [
        found.sentence(),
        f"100 % is the whole difference between the clean and the corrupted input, {figure(gap)}.",
    ]
    if not found.exact:
        notes.append("These are linear estimates: check the largest with patch.")
    table = f"<table><tr><th scope=col>{escaped(found.kind)}</th>{head}</tr>{lines}</table>"
    return figure_of(
        [("share recovered", table)], scale_of(limit, "share of the difference recovered"),
        title="What brings the answer back", description=found.sentence(), notes=notes, fades=False,
    )  # fmt: skip


def _cell(value: float, limit: float) -> str:
    if np.isnan(value):
        return "<td></td>"
    return f'<td><span class="plv-t {tint(level_of(value, limit))}">{literal(f"{100 * value:+.0f} %")}</span></td>'


def _small(heat: Float2, limit: float, budget: int, name: str, below: str = "") -> str:
    """A heat map as a small picture with its name."""
    step = max(1, -(-max(heat.shape) // LONGEST))
    while (heat.shape[0] // step) * (heat.shape[1] // step) > budget:
        step += 1
    height, width = (size // step for size in heat.shape)
    cut = heat[: height * step, : width * step].reshape(height, step, width, step).mean(axis=(1, 3))
    times = max(1, SIDE // max(cut.shape))
    size = f"width={width * times} height={height * times}"
    file = data_uri(heat_file(cut.repeat(times, 0).repeat(times, 1), limit))
    return (
        f'<figure><div class=plv-stack><img {size} src="{file}" alt="{literal(name)}"></div>'
        f"<figcaption>{literal(name)}</figcaption>{below}</figure>"
    )


def _enlarged(patches: Float2, size: tuple[int, ...]) -> Float2:
    """A number for each pixel: its patch's."""
    rows, columns = (np.arange(n) * k // n for n, k in zip(size, patches.shape, strict=True))
    return np.asarray(patches[np.ix_(rows, columns)])


def _check_row(row: int, n: int) -> None:
    if not 0 <= row < n:
        raise InputError(f"row must lie between 0 and {n - 1}; got {row!r}.")
