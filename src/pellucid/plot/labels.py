"""Text on the way out: names made printable, short and distinct."""

import itertools
import unicodedata
from collections.abc import Sequence
from typing import Any


def printable(text: Any) -> str:
    r"""Return `text` with every invisible control written out, such as ``\u202e``.

    Controls break XML, and direction overrides would turn around the sentence that follows them.
    """
    return "".join(character if _shows(character) else _written_out(character) for character in str(text))


def _shows(character: str) -> bool:
    if character in "\n\t\u200c\u200d":  # joiners are part of words and emoji
        return True
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp") and ord(character) & 0xFFFE != 0xFFFE


def _written_out(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shorten(text: Any, most: int = 48) -> str:
    """Return printable text on one line, of at most `most` characters."""
    line = " ".join(printable(str(text)[: 4 * most]).split())
    cut = len(line) > most or len(str(text)) > 4 * most
    return f"{line[: most - 1]}…" if cut else line


def distinct(texts: Sequence[Any], most: int = 48) -> list[str]:
    """Shorten every text and number those that became equal, so that each keeps its own place on an axis."""
    keys: dict[str, None] = {}
    for text in texts:
        short = shorten(text, most) or "(empty)"
        numbered = (f"{short} ({number})" for number in itertools.count(2))
        keys[short if short not in keys else next(key for key in numbered if key not in keys)] = None
    return list(keys)
