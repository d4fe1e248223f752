"""Text for a terminal."""

import shutil
import textwrap
import unicodedata


def plain(text: str) -> str:
    """The text without control characters, so that a name cannot drive the terminal."""
    return "".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for c in text)


def wrapped(text: str, *, indent: str = "", first: str | None = None) -> str:
    """The text folded to the terminal's width."""
    width = min(100, shutil.get_terminal_size((100, 24)).columns)
    whole = plain(text).replace(" %", "\N{NO-BREAK SPACE}%")  # a number stays on the line of its unit
    start = indent if first is None else first
    return textwrap.fill(whole, width=width, initial_indent=start, subsequent_indent=indent)
