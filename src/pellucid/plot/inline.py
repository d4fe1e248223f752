"""One inline HTML string per picture: its style inside, no script, nothing asked of a network, light and dark.

The style is one constant, and a value's colour is one of its classes: a page whose policy allows a style by its
hash can hold these pictures too. Text keeps the colour of the page around it, on tints of blue and orange.
"""

import html
import os
from collections.abc import Sequence
from pathlib import Path

from pellucid._base.errors import InputError
from pellucid._base.files import write_atomically
from pellucid._base.numbers import figure, number_text, signed
from pellucid._base.typing import Names
from pellucid.explanation import Explanation
from pellucid.explanation.explanation import distinct_positions
from pellucid.plot.labels import printable, shorten

LEVELS = 16
"""Tints on either side of zero."""
DOWN, UP = (47, 125, 201), (222, 112, 28)
"""Blue and orange, lighter than a chart's so that their tints carry dark and light text."""
MOST_PANELS = 12
"""Outputs a reader can choose between in one picture."""
FADES = ("0 %", "25 %", "50 %", "75 %", "100 %")
"""Opacities an overlay can be given."""


class Html(str):
    """A picture as HTML: shows itself in a notebook, stands as it is in a template, can be saved as a page.

    Examples
    --------
    >>> picture = Html("<p>a picture</p>")
    >>> picture
    <picture of 16 characters of HTML>
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        return str(self)

    def __html__(self) -> str:
        """The string itself: it is HTML already."""
        return str(self)

    def __repr__(self) -> str:
        return f"<picture of {len(self):,} characters of HTML>"

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Write a page with this picture alone; an existing file is replaced only with `force`."""
        page = (
            '<!DOCTYPE html>\n<html lang="en" style="background:Canvas;color:CanvasText">'
            '<head><meta charset="utf-8"><title>pellucid</title>'
            '<meta name="color-scheme" content="light dark">'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
            f'img-src data:"></head>\n<body>{self}</body></html>\n'
        )
        return write_atomically(path, lambda file: _write(file, page), force=force)


def _write(file: object, page: str) -> None:
    file.write(page.encode())  # type: ignore[attr-defined]


def figure_of(
    panels: Sequence[tuple[str, str]],
    scale: str,
    *,
    title: str,
    description: str,
    notes: Sequence[str],
    fades: bool,
    choice: str = "Output",
) -> Html:
    """Put panels, the scale and the notes into one picture.

    Parameters
    ----------
    panels : sequence of (name, HTML)
        One is shown at a time where there are several.
    scale : str
        HTML of the scale.
    title, description : str
        Shown above the picture; read to those who cannot see it.
    notes : sequence of str
        Plain sentences below it.
    fades : bool
        Whether the reader may choose the opacity of an overlay.
    choice : str
        What the panels are, where the reader chooses between several.
    """
    parts = [f"<strong>{escaped(title, 90)}</strong>"] if title else []
    if len(panels) > 1:
        parts.append(_choice("plv-pick", choice, [name for name, _ in panels], 0))
    if fades:
        parts.append(_choice("plv-fade", "Overlay", FADES, 3))
    several = len(panels) > 1
    shown = "".join(
        f"<div>{f'<div class=plv-name>{escaped(name)}</div>' if several else ''}{body}</div>" for name, body in panels
    )
    said = "".join(f"<div class=plv-note>{escaped(note, 400)}</div>" for note in notes)
    label = html.escape(shorten(description or title or "picture", 300), quote=True)
    inner = f"{''.join(parts)}<div class=plv-panels>{shown}</div>{scale}{said}"
    # A form keeps the names of its choices to itself, so that pictures on one page do not meddle with each other.
    form = f"<style>{STYLE}</style><form method=dialog>{inner}</form>"
    return Html(f'<div class=plv role=figure aria-label="{label}">{form}</div>')


def _choice(kind: str, what: str, names: Sequence[str], first: int) -> str:
    options = "".join(
        f"<label><input type=radio name={kind}{' checked' if i == first else ''}> {escaped(name, 30)}</label>"
        for i, name in enumerate(names)
    )
    return f'<div class="plv-choice {kind}" role=radiogroup aria-label="{what}"><span>{what}:</span>{options}</div>'


def escaped(text: str, most: int = 60) -> str:
    """Return text as HTML: printable, short, isolated in its writing direction."""
    return f"<bdi>{html.escape(shorten(text, most))}</bdi>"


def literal(text: str) -> str:
    """Return text as HTML with its own spaces and lines, printable."""
    return html.escape(printable(text))


def level_of(value: float, limit: float) -> int:
    """Tint of a value: up to `LEVELS` with its sign; 0, as for zero, below a 32nd of the scale."""
    if not limit:
        return 0
    step = min(LEVELS, round(LEVELS * abs(value) / limit))
    return step if value > 0 else -step


def tint(level: int) -> str:
    """Class of a tint."""
    return f"plv-u{level}" if level > 0 else f"plv-d{-level}" if level < 0 else "plv-z"


def scale_of(limit: float, unit: str) -> str:
    """Draw the signed scale that all panels share."""
    steps = [*range(-LEVELS, 0, 2), 0, *range(2, LEVELS + 1, 2)]
    cells = "".join(f'<span class="plv-t {tint(step)}"></span>' for step in steps)
    ends = f"<span>▼ {escaped(signed(-limit))}</span>{cells}<span>▲ {escaped(signed(limit))}</span>"
    return f"<div class=plv-scale>{ends}<span class=plv-muted>{escaped(unit, 120)}</span></div>"


def limit_of(values: Sequence[float], limit: float | None) -> float:
    """End of the scale: the given one, or the largest absolute value.

    Raises
    ------
    InputError
        When the given one is not a positive number.
    """
    if limit is None:
        return max((abs(value) for value in values), default=0.0)
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 < limit < float("inf"):
        raise InputError(f"limit is the value at the end of the scale, a positive number; got {limit!r:.80}.")
    return float(limit)


def outputs_of(outputs: Names, output: str | int | Sequence[str | int] | None) -> list[int]:
    """Positions of the outputs to draw: the asked ones, the second of two classes, else all.

    Raises
    ------
    InputError
        When one is not there, or there are too many to choose between.
    """
    if output is None:
        wanted = [len(outputs) - 1] if len(outputs) <= 2 else [*range(len(outputs))]
    else:
        wanted = distinct_positions(output, outputs, "output")
    check_panels(len(wanted))
    return wanted


def check_panels(count: int) -> None:
    """Refuse more outputs than a reader can choose between, or none."""
    if not 1 <= count <= MOST_PANELS:
        raise InputError(f"a picture shows 1 to {MOST_PANELS} outputs; got {count}. Choose some with output=.")


def sum_sentence(what: str, total: float, base: float | None, prediction: float | None) -> str:
    """Say what the values add up to, and how far that is from the model where it is known."""
    said = f"{what} together {signed(total)}" if total else f"{what} together 0"
    if base is None:
        return f"{said}."
    said = f"base {figure(base)}, {said}, sum {figure(base + total)}"
    if prediction is None:
        return f"{said}."
    gap = base + total - prediction
    return f"{said}; model {figure(prediction)}, gap {number_text(gap, 2) if gap else '0'}."


def quality_notes(explanations: Sequence[Explanation]) -> list[str]:
    """Say the residual of every explanation, and what a reader must see."""
    said: dict[str, None] = {}
    for explanation in explanations:
        said[f"{explanation.provenance.method}: {explanation.quality.sentence()}."] = None
        said.update((f"⚠ {warning}", None) for warning in explanation.quality.warnings)
    return list(said)


def _style() -> str:
    rgb = {"u": UP, "d": DOWN}
    tints = "".join(
        f".plv-{sign}{level}{{background:rgb({' '.join(map(str, colour))}/{0.62 * level / LEVELS:.3f})}}"
        for sign, colour in rgb.items()
        for level in range(1, LEVELS + 1)
    )
    picks = ",".join(
        f".plv:has(.plv-pick>label:nth-of-type({k})>:checked) .plv-panels>:not(:nth-child({k}))"
        for k in range(1, MOST_PANELS + 1)
    )
    fades = "".join(
        f".plv:has(.plv-fade>label:nth-of-type({k})>:checked) .plv-heat{{opacity:{(k - 1) / (len(FADES) - 1)}}}"
        for k in range(1, len(FADES) + 1)
    )
    return (
        ".plv{font:14px/1.5 Arial,Helvetica,'Liberation Sans',sans-serif;max-width:52em}"
        ".plv form{margin:0}.plv-choice{display:flex;flex-wrap:wrap;gap:2px 14px;margin:4px 0}"
        ".plv-text{line-height:2.1;margin:8px 0;white-space:pre-wrap;overflow-wrap:anywhere}"
        ".plv-t{display:inline-block;padding:0 2px;line-height:1.35;border-radius:2px;"
        "border:solid transparent;border-width:3px 0;print-color-adjust:exact;-webkit-print-color-adjust:exact}"
        f".plv-t[class*=plv-u]{{border-top-color:rgb({' '.join(map(str, UP))})}}"
        f".plv-t[class*=plv-d]{{border-bottom:3px dotted rgb({' '.join(map(str, DOWN))})}}"
        ".plv-scale{display:flex;flex-wrap:wrap;align-items:center;gap:1px;margin:8px 0}"
        ".plv-scale .plv-t{width:12px;height:16px;border-radius:0;padding:0}"
        ".plv-scale>span:not(.plv-t){padding:0 6px}.plv-note,.plv-muted,.plv-name{opacity:.8;font-size:13px}"
        ".plv-name{font-weight:600}.plv-row{display:flex;flex-wrap:wrap;gap:12px;margin:8px 0}"
        ".plv-row figure{margin:0}.plv-row figcaption{font-size:13px;opacity:.8;max-width:340px}"
        ".plv-stack{display:grid}.plv-stack img{grid-area:1/1;display:block;image-rendering:pixelated;max-width:100%}"
        ".plv-photo{filter:grayscale(1)}.plv:has(.plv-fade>label:first-of-type>:checked) .plv-photo{filter:none}"
        ".plv-heat{opacity:.75}.plv table{border-collapse:collapse;font-size:13px;margin:4px 0}"
        ".plv td,.plv th{padding:1px 10px 1px 0;text-align:left;font-weight:400}.plv td{text-align:right}"
        f"{tints}{picks}{{display:none}}{fades}"
    )


STYLE = _style()
"""Style of every inline picture: a constant, so that a policy can name its hash."""
