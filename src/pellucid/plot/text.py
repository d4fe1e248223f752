"""Token heat text: every token on a tint of its value."""

from collections.abc import Sequence
from typing import Any

from pellucid._base.errors import InputError
from pellucid._base.numbers import figure, finite, signed
from pellucid.explanation import Explanation
from pellucid.plot.inline import (
    Html,
    check_panels,
    figure_of,
    level_of,
    limit_of,
    literal,
    outputs_of,
    quality_notes,
    scale_of,
    sum_sentence,
    tint,
)
from pellucid.plot.labels import shorten
from pellucid.plot.tables import Columns, check_row, column, need

MOST_TOKENS = 5000
"""Tokens drawn in one picture, over all its outputs."""
LARGEST = 10
"""Tokens in the list of the largest."""


def text_data(
    source: Explanation | Columns,
    *,
    tokens: Sequence[str] | None = None,
    text: str | None = None,
    row: int = 0,
    output: str | int | Sequence[str | int] | None = None,
) -> dict[str, list[Any]]:
    """Return the table behind `text`: output, before, token, value, std_error, one line per token and output.

    Parameters
    ----------
    source : Explanation or mapping of str to sequence
        An explanation whose features are the tokens, or columns ``token``, ``value`` and perhaps ``output``,
        ``before`` (what stands between a token and the one before it) and ``std_error``.
    tokens : sequence of str, optional
        The tokens as they are to be shown, one per feature of an `Explanation`; by default its data, else the
        names of its features.
    text : str, optional
        The whole text, in which the tokens of an `Explanation` are found one after another; without it they are
        set with spaces between them.
    row : int
        Which row of an `Explanation`.
    output : str, int or sequence of them, optional
        Outputs of an `Explanation`; by default all, but of two classes the second.

    Raises
    ------
    InputError
        When a column is missing, lengths differ, or a token is not in the text.
    """
    if isinstance(source, Explanation):
        return _of_explanation(source, _shown(source, tokens, row), text, row, outputs_of(source.outputs, output))
    if text is not None or tokens is not None:
        raise InputError("tokens= and text= belong to an Explanation; a table has its own token and before columns.")
    rows = need(source, "text", "token", "value")
    names = column(source, "output", rows)
    before = column(source, "before", rows)
    return {
        "output": ["" if name is None else str(name) for name in names],
        "before": [
            str(gap) if gap is not None else "" if i == 0 or names[i] != names[i - 1] else " "
            for i, gap in enumerate(before)
        ],
        "token": [str(token) for token in source["token"]],
        "value": [finite(value) for value in source["value"]],
        "std_error": [finite(error) for error in column(source, "std_error", rows)],
    }


def text(
    source: Explanation | Columns,
    *,
    tokens: Sequence[str] | None = None,
    text: str | None = None,
    row: int = 0,
    output: str | int | Sequence[str | int] | None = None,
    base: float | None = None,
    prediction: float | None = None,
    limit: float | None = None,
    title: str = "",
    description: str = "",
) -> Html:
    """Draw tokens on tints of their values: orange under a line raises the output, blue on dots lowers it.

    A token's number stands in its tooltip, the largest also in a list. Several outputs share one scale and one
    picture, in which the reader chooses.

    Parameters
    ----------
    source, tokens, text, row, output
        See `text_data`.
    base, prediction : float, optional
        What the values are counted from and what the model said, for a table of one output; an `Explanation` has its
        own.
    limit : float, optional
        Value at the end of the scale, to give several pictures the same one; by default the largest.
    title, description : str
        Shown above the picture; read to those who cannot see it.

    Examples
    --------
    >>> picture = text({"token": ["not", "bad"], "value": [0.6, -0.2]}, base=0.5, prediction=1.0)
    >>> "base 0.5, tokens together +0.4, sum 0.9; model 1, gap −0.10." in picture
    True
    """
    table = text_data(source, tokens=tokens, text=text, row=row, output=output)
    names = list(dict.fromkeys(table["output"]))
    check_panels(len(names))
    if not isinstance(source, Explanation) and len(names) > 1 and not (base is None and prediction is None):
        raise InputError("base= and prediction= are numbers of one output; the table has several.")
    end = limit_of([value for value in table["value"] if value is not None], limit)
    panels, unit = [], "value of a token"
    for name in names:
        lines = [i for i, other in enumerate(table["output"]) if other == name]
        if isinstance(source, Explanation):
            k = source.output_index(name)
            base, unit = float(source.base_values[row, k]), f"({str(source.space).replace('_', ' ')})"
        part = {key: [cells[i] for i in lines] for key, cells in table.items()}
        panels.append((name or "output", _panel(part, end, base, prediction, MOST_TOKENS // len(names))))
    notes = quality_notes([source]) if isinstance(source, Explanation) else []
    if len(panels) == 1 and panels[0][0] != "output":
        title = title or panels[0][0]
    return figure_of(
        panels, scale_of(end, unit), title=title, description=description or title or "text with values of its tokens",
        notes=notes, fades=False,
    )  # fmt: skip


def _shown(explanation: Explanation, tokens: Sequence[str] | None, row: int) -> list[str]:
    check_row(row, len(explanation))
    if tokens is not None:
        if isinstance(tokens, str) or len(tokens) != len(explanation.features):
            raise InputError(f"tokens must be a list of {len(explanation.features)} texts, one for each feature.")
        return [str(token) for token in tokens]
    data = explanation.data
    if data is None:
        return list(explanation.features)
    cells = [data.column(name)[row] if name in data.names else name for name in explanation.features]
    return [
        cell if isinstance(cell, str) else name for cell, name in zip(cells, explanation.features, strict=True)
    ]  # fmt: skip


def _of_explanation(
    explanation: Explanation, tokens: list[str], text: str | None, row: int, outputs: list[int]
) -> dict[str, list[Any]]:
    before = [" " if i else "" for i in range(len(tokens))] if text is None else _gaps(tokens, text)
    rest = [] if text is None else [text[sum(map(len, tokens)) + sum(map(len, before)) :]]
    end = [""] * len(rest)
    errors = explanation.std_error
    table: dict[str, list[Any]] = {"output": [], "before": [], "token": [], "value": [], "std_error": []}
    for k in outputs:
        table["output"] += [explanation.outputs[k]] * (len(tokens) + len(end))
        table["before"] += [*before, *rest]
        table["token"] += [*tokens, *end]
        table["value"] += [*map(float, explanation.values[row, :, k]), *(None for _ in end)]
        table["std_error"] += [
            *([None] * len(tokens) if errors is None else map(float, errors[row, :, k])), *(None for _ in end)
        ]  # fmt: skip
    return table


def _gaps(tokens: Sequence[str], text: str) -> list[str]:
    """What stands before each token, found one after another in the text."""
    gaps, at = [], 0
    for number, token in enumerate(tokens):
        found = text.find(token, at)
        if found < 0:
            raise InputError(
                f"token {number}, {shorten(token, 40)!r}, is not in text= after the tokens before it; "
                "pass tokens= as they stand in the text, or leave text= out."
            )
        gaps.append(text[at:found])
        at = found + len(token)
    return gaps


def _panel(part: Columns, limit: float, base: float | None, prediction: float | None, most: int) -> str:
    values = [value for value in part["value"] if value is not None]
    drawn = "".join(
        f"{literal(before)}{_token(token, value, error, limit)}"
        for before, token, value, error in zip(
            *(part[key][:most] for key in ("before", "token", "value", "std_error")), strict=True
        )
    )
    left = sum(token != "" for token in part["token"][most:])
    more = f" … and {left:,} more tokens, not drawn" if left else ""
    total = sum_sentence("tokens", sum(values), base, prediction)
    return f"<div class=plv-text dir=auto>{drawn}{more}</div><div class=plv-note>{literal(total)}</div>{_largest(part)}"


def _token(token: str, value: float | None, error: float | None, limit: float) -> str:
    if not token:
        return ""
    tip = f"{shorten(token, 80)}: {_number(value, error)}"
    level = 0 if value is None else level_of(value, limit)
    return f'<span class="plv-t {tint(level)}" title="{literal(tip)}">{literal(token)}</span>'


def _number(value: float | None, error: float | None) -> str:
    if value is None:
        return "no value"
    return f"{signed(value) if value else '0'}{f' ± {figure(error)}' if error else ''}"


def _largest(part: Columns) -> str:
    known = [i for i, value in enumerate(part["value"]) if value is not None and part["token"][i]]
    order = sorted(known, key=lambda i: -abs(part["value"][i]))[:LARGEST]
    lines = "".join(
        f"<tr><th scope=row>{literal(shorten(part['token'][i]))}</th>"
        f"<td>{'▼' if part['value'][i] < 0 else '▲'} {_number(part['value'][i], part['std_error'][i])}</td></tr>"
        for i in order
    )
    return f"<details><summary>The largest values</summary><table>{lines}</table></details>" if lines else ""
