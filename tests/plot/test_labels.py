"""Text on the way out."""

import math
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pellucid._base import numbers
from pellucid.plot import labels


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (0.79, "0.790"), (-0.0312, "−0.0312"), (1234.5, "1,234"), (2380, "2,380"), (1e-9, "1.00×10⁻⁹"),
        (-3e12, "−3.00×10¹²"), (None, "no value"), (math.nan, "no value"), (-math.inf, "−∞"), (True, "yes"),
        (0.9999, "1.00"), (5e-324, "4.94×10⁻³²⁴"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_people_write_them(value: float, text: str) -> None:
    assert numbers.number_text(value) == text


def test_numbers_in_sentences() -> None:
    assert [numbers.figure(x) for x in (0.7, 12, 0.10349, -1.5e-14, 1428.0)] == [
        "0.7", "12", "0.103", "−1.50×10⁻¹⁴", "1,428",
    ]  # fmt: skip
    assert [numbers.signed(x) for x in (0.405, -0.14, 0.0)] == ["+0.405", "−0.14", "0"]
    assert [numbers.percent(x) for x in (0.0, 1.0, 0.2829, 0.0001)] == ["0 %", "100 %", "28.3 %", "0.0 %"]
    assert numbers.percent_interval(0.004, -0.011, 0.02) == "0.4 % [−1.1, 2.0]"
    assert numbers.points_interval(0.191, 0.143, 0.242) == "19.1 [14.3, 24.2] percentage points"


def test_a_column_of_numbers_shares_its_decimals_but_hides_no_small_one() -> None:
    assert numbers.number_texts([0.25, -0.031, 0.0, 1e-5, None], signed=True) == [
        "+0.250", "−0.031", "0.000", "+1.00×10⁻⁵", "no value",
    ]  # fmt: skip


def test_intervals_share_their_decimals() -> None:
    assert numbers.interval_text(0.08, 0.06, 0.1) == "0.080 [0.060, 0.100]"
    assert numbers.interval_text(0.79, 0.738, 0.846) == "0.790 [0.738, 0.846]"
    assert numbers.interval_text(0.79) == "0.790"
    assert numbers.interval_texts([1.0, 0.79, -9e-5], [None, 0.738, -0.008], [None, 0.846, 0.0081]) == [
        "1.000", "0.790 [0.738, 0.846]", "0.000 [−0.008, 0.008]",
    ]  # fmt: skip
    assert numbers.interval_texts([0.5, 2e-9], [0.4, 1e-9], [0.6, 3e-9])[1] == "2.00×10⁻⁹ [1.00×10⁻⁹, 3.00×10⁻⁹]"


def test_cells_of_tables_have_no_zeros_at_their_end() -> None:
    assert [numbers.cell_number(x) for x in (0.01, 10.0, 0.12345, 1e9, 200)] == [
        "0.01",
        "10",
        "0.1235",
        "1.000×10⁹",
        "200",
    ]


@settings(deadline=None, max_examples=300)
@given(st.text())
def test_printable_text_has_no_control_and_keeps_everything_else(text: str) -> None:
    shown = labels.printable(text)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
    assert not set(shown) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
    if text.isprintable():
        assert shown == text


@settings(deadline=None, max_examples=200)
@example(["a", "a", "a (2)"])
@given(st.lists(st.text(max_size=80), max_size=12))
def test_distinct_labels_are_as_many_as_the_texts(texts: list[str]) -> None:
    keys = labels.distinct(texts)
    assert len(set(keys)) == len(texts)
    assert all(len(key) <= 54 for key in keys)


def test_shortened_text_says_that_it_was_cut() -> None:
    assert labels.shorten("x" * 10_000, 20) == "x" * 19 + "…"
    assert labels.shorten("two\nlines") == "two lines"


@settings(deadline=None, max_examples=300)
@given(st.floats(-1e300, 1e300))
def test_a_written_number_is_within_half_a_unit_of_its_third_digit(value: float) -> None:
    text = numbers.number_text(value).replace("−", "-").replace(",", "")
    if "×10" in text:
        mantissa, power = text.split("×10")
        text = f"{mantissa}e{power.translate(str.maketrans('⁰¹²³⁴⁵⁶⁷⁸⁹⁻', '0123456789-'))}"
    assert float(text) == pytest.approx(value, rel=5.01e-3, abs=5e-324)
