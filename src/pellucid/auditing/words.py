"""Parts of sentences: a measure, a name, a list, a count, a cell of the data."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid._base.numbers import MINUS, figure, interval_text, percent_interval
from pellucid.auditing.findings import Measure


def of_measure(measure: Measure) -> str:
    """Return the measure's value with its 95 % interval, in its unit."""
    if measure.unit == "share":
        return percent_interval(measure.value, measure.low, measure.high)
    return f"{with_interval(measure.value, measure.low, measure.high)} {measure.unit}".rstrip()


def with_interval(value: float, low: float | None = None, high: float | None = None) -> str:
    """Return a number with its 95 % interval: ``0.790 [0.738, 0.846]``."""
    return figure(value) if low is None or high is None else interval_text(value, low, high)


def named(name: Any) -> str:
    """Return a name in quotes, shortened when it is very long."""
    text = str(name)
    return f"‘{text}’" if len(text) <= 60 else f"‘{text[:57]}…’"


def listed(names: Sequence[Any], most: int = 5) -> str:
    """Names in a sentence: ‘a’, ‘b’ and ‘c’."""
    shown = [named(name) for name in names[:most]]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else "none"


def cell(value: Any) -> str:
    """Return a cell of the data as text."""
    if is_missing(value):
        return "missing"
    if isinstance(value, float):
        # A large number may be a year or a code, so it keeps its digits and gets no separator.
        return f"{value:.4g}".replace("-", MINUS) if abs(value) < 1000 else f"{value:.10g}".replace("-", MINUS)
    return str(value)


def cell_words(value: Any) -> str:
    """Return a cell of the data for a sentence: a number as it is, text in quotes."""
    return cell(value) if isinstance(value, float) or is_missing(value) else named(value)


def is_missing(value: Any) -> bool:
    """Whether a cell has no value: None, NaN, NaT or NA."""
    if value is None or str(value) in ("<NA>", "NaT"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def key_of(value: Any) -> Any:
    """Return a cell as something that equals itself: what is missing is None."""
    return None if is_missing(value) else value
