"""Numbers in sentences: one way to write a share, a figure, an interval and a list."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.auditing.findings import Measure


def percent(share: float) -> str:
    """Return a share as a percentage with as many digits as a reader needs."""
    points = 100 * share
    if abs(points) < 1e-9:
        return "0 %"
    return f"{points:.1f} %" if abs(points) < 99.95 else f"{points:.0f} %"


def figure(value: float) -> str:
    """Return a number with three significant digits, or whole when large."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) < 1e-4:
        return f"{value:.1e}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.1f}"


def of_measure(measure: Measure) -> str:
    """Return the measure's value with its 95 % interval, in its unit."""
    write = percent if measure.unit == "share" else figure
    unit = "" if measure.unit in ("", "share") else f" {measure.unit}"
    if measure.low is None or measure.high is None:
        return f"{write(measure.value)}{unit}"
    return f"{write(measure.value)}{unit} [{write(measure.low)}, {write(measure.high)}]"


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


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a count with its noun: 1 row, 2,380 rows."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def cell(value: Any) -> str:
    """Return a cell of the data as text."""
    if is_missing(value):
        return "missing"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def is_missing(value: Any) -> bool:
    """Whether a cell has no value: None, NaN, NaT or NA."""
    if value is None or str(value) in ("<NA>", "NaT"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def key_of(value: Any) -> Any:
    """Return a cell as something that equals itself: what is missing is None."""
    return None if is_missing(value) else value
