"""Tables for notebooks: plain HTML with inline styles, no scripts, every name escaped."""

import html
from collections.abc import Sequence

UP, DOWN, MUTED, LINE = "#b5510d", "#2166ac", "#5a6672", "#8a949e"
ROWS, COLUMNS, OUTPUTS = 8, 8, 3
_CELL = f"padding:2px 8px;text-align:right;border-bottom:1px solid {LINE};white-space:nowrap"
_HEAD = f"{_CELL};font-weight:600"


def escaped(text: object, most: int = 60) -> str:
    """Text cut to a readable length, without control characters, isolated in its writing direction."""
    shown = str(text)
    shown = shown if len(shown) <= most else shown[: most - 1] + "…"
    shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in shown)
    return f"<bdi>{html.escape(shown)}</bdi>"


def number(value: float) -> str:
    """Write a number with four significant digits."""
    return f"{value:.4g}"


def signed(value: float, error: float | None = None) -> str:
    """Write a contribution: its sign is there as text, and again as colour."""
    colour = UP if value > 0 else DOWN if value < 0 else MUTED
    spread = "" if error is None else f' <span style="color:{MUTED}">± {error:.2g}</span>'
    return f'<span style="color:{colour}">{value:+.4g}</span>{spread}'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out cells that are HTML already; the first of each row is its heading."""
    top = "".join(f'<th scope="col" style="{_HEAD}">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row" style="{_HEAD}">{row[0]}</th>'
        + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    head = f"<thead><tr>{top}</tr></thead>"
    return f'<table style="border-collapse:collapse;margin:6px 0">{head}<tbody>{body}</tbody></table>'


def block(title: str, lines: Sequence[str], tables: Sequence[str]) -> str:
    """Join a heading, lines and tables, all HTML already, into one notebook output."""
    said = "".join(f'<div style="color:{MUTED}">{line}</div>' for line in lines if line)
    inner = f"<div><strong>{title}</strong></div>{said}{''.join(tables)}"
    return f'<div style="font-family:sans-serif;font-size:13px">{inner}</div>'


def more(count: int, what: str) -> str:
    """Say what was left out; empty where nothing was."""
    return f"… {count} more {what}" if count > 0 else ""
