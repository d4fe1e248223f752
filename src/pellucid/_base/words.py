"""Parts of sentences that every room writes."""

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from typing import Any


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a count with its noun: 1 row, 2,380 rows."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def leading(sentence: str) -> str:
    """Return a sentence that begins with a capital, whatever part came first."""
    return sentence[:1].upper() + sentence[1:]


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """Return a question with the nearest known name, after a space; nothing where none is near.

    Only the first 2,000 names of at most 100 letters are compared, which takes milliseconds.
    """
    candidates = [other for other in islice(known, 2000) if len(other) <= 100]
    near = get_close_matches(str(name), candidates, n=1) if len(str(name)) <= 100 else []
    return f" Did you mean {near[0]!r}?" if near else ""
