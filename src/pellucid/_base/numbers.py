"""Numbers as people read them: few digits, a true minus sign, one form for intervals, shares and differences."""

import math
from collections.abc import Sequence
from typing import Any

MINUS = "\N{MINUS SIGN}"
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def finite(value: Any) -> float | None:
    """Return the number, or None where there is none to draw."""
    if value is None or isinstance(value, str):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def number_text(value: Any, digits: int = 3) -> str:
    """Return a number with `digits` significant digits, in powers of ten where it is very large or small."""
    if value is None or math.isnan(value):
        return "no value"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{value:,}" if isinstance(value, int) else _float_text(float(value), digits)
    return text.replace("-", MINUS)


def _exponent(number: float, digits: int) -> int:
    """Power of ten of the first digit, once rounded: 0.9999 is written as 1.00."""
    return int(f"{number:.{digits - 1}e}".split("e")[1])


def _float_text(number: float, digits: int) -> str:
    exponent = _exponent(number, digits)
    if not -4 <= exponent <= 6:
        mantissa, power = f"{number:.{digits - 1}e}".split("e")
        return f"{mantissa}×10{str(int(power)).translate(_SUPERSCRIPT)}"
    return f"{number:,.{max(digits - 1 - exponent, 0)}f}" if number else "0"


def number_texts(values: Sequence[Any], *, signed: bool = False) -> list[str]:
    """Return numbers with the same decimals; those that would become 0 keep three digits of their own."""
    decimals = _decimals(values)
    texts = []
    for value in values:
        number = finite(value)
        shared = decimals is not None and number is not None and (number == 0 or round(abs(number), decimals) > 0)
        text = _fixed(number, decimals) if shared else number_text(value)
        texts.append(f"+{text}" if signed and number is not None and number > 0 else text)
    return texts


def interval_text(value: Any, low: Any = None, high: Any = None) -> str:
    """Return ``0.790 [0.738, 0.846]``, or the number alone where there is no interval."""
    return interval_texts([value], [low], [high])[0]


def interval_texts(values: Sequence[Any], lows: Sequence[Any], highs: Sequence[Any]) -> list[str]:
    """Return numbers with their intervals, all with the same decimals."""
    decimals = _decimals([*values, *lows, *highs])
    texts = []
    for triple in zip(values, lows, highs, strict=True):
        numbers = [finite(part) for part in triple]
        visible = decimals is not None and any(number and round(abs(number), decimals) > 0 for number in numbers)
        shared = visible or not any(numbers)
        written = [
            _fixed(number, decimals) if shared and decimals is not None and number is not None else number_text(part)
            for number, part in zip(numbers, triple, strict=True)
        ]
        alone = numbers[1] is None and numbers[2] is None
        texts.append(written[0] if alone else f"{written[0]} [{written[1]}, {written[2]}]")
    return texts


def _decimals(values: Sequence[Any]) -> int | None:
    """Decimals that give the largest number three digits, and shares beside a 1 theirs; None for powers of ten."""
    known = [abs(number) for number in map(finite, values) if number]
    exponent = _exponent(max(known, default=0.0), 3)
    if not -4 <= exponent <= 6:
        return None
    return max(2 - exponent, 3 if exponent == 0 and min(known, default=1.0) < 1 else 0)


def _fixed(number: float | None, decimals: int | None) -> str:
    text = f"{number:,.{decimals}f}".replace("-", MINUS)
    return text.removeprefix(MINUS) if not text.strip(f"{MINUS}0.") else text


def cell_number(value: Any) -> str:
    """Return a number for a table: four significant digits, without zeros at its end."""
    return _trimmed(number_text(value, 4))


def figure(value: float) -> str:
    """Return a number for a sentence: three significant digits, without zeros at its end; whole from 1,000 on."""
    return _trimmed(number_text(float(value)))


def signed(value: float) -> str:
    """Return a number for a sentence with its sign: ``+0.41``."""
    return f"+{figure(value)}" if value > 0 else figure(value)


def percent(share: float) -> str:
    """Return a share as a percentage: ``28.3 %``."""
    return f"{points(share)} %"


def percent_interval(share: float, low: float | None = None, high: float | None = None) -> str:
    """Return a share with its interval: ``28.3 % [23.8, 33.3]``."""
    return percent(share) if low is None or high is None else f"{percent(share)} [{points(low)}, {points(high)}]"


def points_interval(difference: float, low: float | None = None, high: float | None = None) -> str:
    """Return a difference of shares with its interval: ``19.1 [14.3, 24.2] percentage points``."""
    ends = "" if low is None or high is None else f" [{points(low)}, {points(high)}]"
    return f"{points(difference)}{ends} percentage points"


def points(share: float) -> str:
    """Return a share in hundredths, without a unit: ``28.3``."""
    whole = {0.0: "0", 1.0: "100"}
    text = whole[share] if share in whole else f"{100 * share:.1f}"
    return "0.0" if text == "-0.0" else text.replace("-", MINUS)


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text and "×" not in text else text
