"""What a check reports: a sentence, a measure, a verdict and the evidence as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What a policy makes of a measure."""

    PASS = "pass"  # noqa: S105 - a verdict
    NOTE = "note"
    WARN = "warn"
    FAIL = "fail"
    NOT_APPLICABLE = "not_applicable"
    ERROR = "error"


class Section(StrEnum):
    """Chapters of the report, in their order."""

    SUBJECT = "Subject"
    PERFORMANCE = "How well it works"
    USE = "What it uses"
    DECISIONS = "Single decisions"
    TRUST = "Can the explanations be trusted"
    RELIABILITY = "Reliability of the model"
    BIAS = "Bias"
    IMPROVEMENT = "How to improve it"
    COMPLIANCE = "Compliance evidence"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number with its unit, its 95 % interval and the rows it was measured on."""

    name: str
    value: float
    n: int
    unit: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """Evidence as data: the table behind a picture, and which picture fits it.

    Kinds and the columns they need (further columns are shown in the table only):

    * ``bars``: label, value; optional low, high. Options: x_title.
    * ``intervals``: label, value, low, high; optional group (colour). Options: x_title, reference, reference_label.
    * ``waterfall``: feature, shown (the row's own value, as text), contribution. Options: base, prediction, x_title.
    * ``compare``: feature, method, contribution. Options: x_title.
    * ``calibration``: predicted, observed, low, high, n; optional group.
    * ``effect``: x (numbers or text), y; optional low, high, series. Options: x_title, y_title.
    * ``lines``: x, y, series. Options: x_title, y_title.
    * ``frontier``: label, x, x_low, x_high, y, y_low, y_high. Options: x_title, y_title.
    * ``tree``: id, parent (-1 for the root), branch (text on the way from the parent), text.
    * ``text``: token, value; optional before (what stands before the token). Options: base, prediction.
    * ``image``: row, column, value: a grid of areas, whose picture is `pixels`. Options: base, prediction.
    * ``table``: any columns, shown as they are.

    Parameters
    ----------
    kind : str
        One of the kinds above.
    title : str
        What is shown.
    description : str
        What a reader who cannot see the picture needs to know: the finding in a sentence.
    table : mapping of str to sequence
        Columns of equal length; cells are None, str, bool, int or float.
    options : mapping
        Named above.
    pixels : uint8 array of shape (height, width, 3), optional
        The picture under an ``image``; it stands in the page, not in the JSON.
    """

    kind: str
    title: str
    description: str
    table: Mapping[str, Sequence[Any]]
    options: Mapping[str, Any] = field(default_factory=dict)
    pixels: Any = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found.

    Parameters
    ----------
    code : str
        ``PEL`` and three digits; the first digit is the section's number.
    title : str
        A few words.
    section : Section
    verdict : Verdict
    statement : str
        The finding in one or two plain sentences that stand alone, with number, unit, interval and n.
    detail : str
        Further sentences, for the reader who stays.
    why : str
        Why the question matters.
    how : str
        How it was measured.
    measures : tuple of Measure
    exhibits : tuple of Exhibit
    remedy : str
        What to do about it; empty when there is nothing to do.
    weight : float
        Orders findings of the same verdict; larger is more important.
    """

    code: str
    title: str
    section: Section
    verdict: Verdict
    statement: str
    why: str
    detail: str = ""
    how: str = ""
    measures: tuple[Measure, ...] = ()
    exhibits: tuple[Exhibit, ...] = ()
    remedy: str = ""
    weight: float = 0.0
