"""The page of an explanation."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid._base.errors import FileError, InputError
from pellucid.explanation import Explanation, Provenance, Quality
from pellucid.ir import Space
from pellucid.report import render_explanation, save_report
from pellucid.table import Table

HOSTILE = "</script><img src=x onerror=alert(1)>"


def explanation(rows: int = 3, outputs: tuple[str, ...] = ("no", "yes")) -> Explanation:
    values = np.random.default_rng(0).normal(size=(rows, 2, len(outputs)))
    return Explanation(
        values=values, base_values=np.zeros((rows, len(outputs))), features=("age", HOSTILE), outputs=outputs,
        space=Space.LOG_ODDS, quality=Quality(residual=3e-16, bound=1e-12, warnings=(HOSTILE,)),
        provenance=Provenance(method="tree", reason="the model is a tree ensemble.", model="a forest"),
        data=Table.of({"age": list(range(rows)), HOSTILE: [HOSTILE] * rows}),
        std_error=np.full(values.shape, 0.25),
    )  # fmt: skip


def test_shows_every_row_its_numbers_the_error_and_the_provenance() -> None:
    page = render_explanation(explanation())
    assert len(re.findall("<figcaption>Row [0-2]: yes goes from 0 to", page)) == 3
    assert "3.000×10⁻¹⁶" in page
    assert "standard error, largest" in page
    assert "the model is a tree ensemble." in page
    assert "<img" not in page
    assert len(page.encode()) < 700_000


def test_says_how_many_rows_are_not_drawn() -> None:
    page = render_explanation(explanation(23), output="no", title="My rows")
    assert page.count("<figcaption>") == 20
    assert "3 further rows are not drawn." in page
    assert "<h1>My rows</h1>" in page


def test_asks_which_of_many_outputs() -> None:
    with pytest.raises(InputError, match="choose it with output="):
        render_explanation(explanation(1, ("a", "b", "c")))


def test_save_report_writes_an_explanation_s_page_or_itself(tmp_path: Path) -> None:
    told = explanation()
    page = save_report(told, tmp_path / "told.html", output="no").read_text()
    assert "Row 0: no goes from" in page
    assert page == render_explanation(told, output="no")
    np.testing.assert_array_equal(Explanation.load(save_report(told, tmp_path / "told.pellucid")).values, told.values)
    with pytest.raises(FileError, match=r"must end in \.html, \.pellucid"):
        save_report(told, tmp_path / "told.md")


def test_save_report_says_what_it_can_write(audit: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"audit\(\) or explain\(\) returned; got dict"):
        save_report({}, tmp_path / "x.html")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="an audit has chosen its own"):
        save_report(audit, tmp_path / "x.html", output=1)
    assert not list(tmp_path.iterdir())
