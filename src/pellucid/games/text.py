"""Text, hidden token by token."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.typing import Array, Bool2, Names
from pellucid.games.parts import numbered

WORD = re.compile(r"\w+(?:['’]\w+)*")
"""A word, with its apostrophes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TextParts:
    """A text whose tokens can be hidden; what stands between them always stays.

    Parameters
    ----------
    text : str
    spans : tuple of (start, end)
        Where its tokens are, in order and without overlap.
    mask : str or None
        What stands for a hidden token; None leaves it out.

    Examples
    --------
    >>> import numpy as np
    >>> parts = TextParts.of("Not bad, really.")
    >>> parts.show(np.array([[True, False, True]]))
    ['Not , really.']
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    mask: str | None = None

    @classmethod
    def of(
        cls, text: str, *, tokenizer: Callable[[str], Sequence[Any]] | None = None, mask: str | None = None
    ) -> "TextParts":
        """Cut a text into tokens.

        Parameters
        ----------
        text : str
        tokenizer : callable, optional
            From the text to its tokens, as text or as pairs (start, end); empty ones are left out. Words by default.
        mask : str, optional
            What stands for a hidden token; by default it is left out.

        Raises
        ------
        InputError
            When there is no token, or a token does not stand in the text where the one before it ends or later.
        """
        if not isinstance(text, str):
            raise InputError(f"text must be one str; got {type(text).__name__}. Explain several texts one by one.")
        if not (mask is None or isinstance(mask, str)):
            raise InputError(f"mask must be the text that stands for a hidden token, or None; got {mask!r:.80}.")
        found: Sequence[Any]
        if tokenizer is None:
            found = [match.span() for match in WORD.finditer(text)]
        elif callable(tokenizer):
            found = list(tokenizer(text))
        else:
            raise InputError(f"tokenizer must be a function of a text; got {tokenizer!r:.80}.")
        spans = _located(text, found)
        if not spans:
            raise InputError(f"the text {text!r:.60} has no tokens, so there is nothing to attribute the outputs to.")
        return cls(text=text, spans=spans, mask=mask)

    @property
    def tokens(self) -> list[str]:
        """The tokens as they stand in the text."""
        return [self.text[start:end] for start, end in self.spans]

    @cached_property
    def names(self) -> Names:
        """The tokens, numbered where they come again."""
        return numbered(self.tokens)

    @property
    def n_bytes(self) -> int:
        """Length of the text, four bytes a character at most."""
        return 4 * len(self.text)

    @property
    def hidden_in_words(self) -> str:
        """What stands for a hidden token."""
        return "hidden tokens are left out" if self.mask is None else f"hidden tokens are replaced by {self.mask!r:.40}"

    def show(self, shown: Bool2) -> list[str]:
        """Return the text once for each row of `shown`, of shape (texts, tokens)."""
        packed, count = np.packbits(shown, axis=1, bitorder="little"), len(shown)
        columns = [self._eighths(first, packed[:, first]) for first in range(packed.shape[1])]
        return list(map("".join, zip(*columns, [self.text[self.spans[-1][1] :]] * count, strict=True)))

    def _eighths(self, number: int, flags: Array) -> list[str]:
        """Eight tokens with what stands before each, once for each byte that says which are shown."""
        told = self._told[8 * number : 8 * number + 8]
        known = self._known[number]
        for byte in set(flags.tolist()) - known.keys():
            known[byte] = "".join([pair[byte >> i & 1] for i, pair in enumerate(told)])
        return [known[byte] for byte in flags.tolist()]

    @cached_property
    def _told(self) -> list[tuple[str, str]]:
        """Each token hidden and shown, behind what stands before it."""
        ends = [0, *(end for _, end in self.spans)]
        gaps = [self.text[end:start] for end, (start, _) in zip(ends, self.spans, strict=False)]
        return [(gap + (self.mask or ""), gap + token) for gap, token in zip(gaps, self.tokens, strict=True)]

    @cached_property
    def _known(self) -> list[dict[int, str]]:
        """Eighths of the text that were asked for before."""
        return [{} for _ in range(0, len(self.spans), 8)]


def _located(text: str, found: Sequence[Any]) -> tuple[tuple[int, int], ...]:
    """Spans of tokens given as text or as spans."""
    spans, at = [], 0
    for number, token in enumerate(found):
        if isinstance(token, str):
            start = text.find(token, at)
            end = start + len(token)
        else:
            start, end = _span(token, number)
        if start == end:
            continue
        if not at <= start < end <= len(text):
            raise InputError(
                f"token {number}, {token!r:.60}, does not stand in the text after the one before it. "
                "Let the tokenizer return pieces of the text itself, or their (start, end)."
            )
        spans.append((start, end))
        at = end
    return tuple(spans)


def _span(token: Any, number: int) -> tuple[int, int]:
    try:
        start, end = token
        return int(start), int(end)
    except (TypeError, ValueError) as error:
        raise InputError(f"token {number} must be a text or a pair (start, end); got {token!r:.80}.") from error
