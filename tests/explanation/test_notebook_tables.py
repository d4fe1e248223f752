"""Notebook tables: names stay text, signs are written, and what is left out is said."""

import html.parser

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.explanation import Effect, Explanation, Importance, Interactions, Quality
from pellucid.ir import Space

HOSTILE = (
    "</td><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "'; alert(1) //",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt;",
    "\u202egnitset",
    "😀",
    "",
    "a\x00b\x1b[31m",
    "x" * 100_000,
    "\ud800",
)
quick = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], set(), "", []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def answers(make, names, outputs=("y",)):
    """One answer of each class under these names."""
    data = pd.DataFrame({str(j): [name] * 2 for j, name in enumerate(names)})
    data.columns = pd.Index(list(names), dtype=object)
    explanation = make(2, names, outputs, data=data.astype("category"), sampled=True)
    n, o = len(names), len(outputs)
    quality = Quality(residual=0.0, bound=0.0, warnings=names[:1])
    common = {"outputs": outputs, "space": Space.RAW, "provenance": explanation.provenance}
    fields = {name: getattr(explanation, name) for name in explanation.__dataclass_fields__}
    yield Explanation(**fields | {"quality": quality})
    yield Importance(
        values=np.ones((n, o)),
        low=np.zeros((n, o)),
        high=np.ones((n, o)),
        features=names,
        measure=names[0],
        n_rows=2,
        **common,
    )
    grid = np.array(names, dtype=object)
    for band in (None, np.ones((n, o))):
        yield Effect(
            feature=names[0], kind=names[-1], grid=grid, values=np.ones((n, o)), n_rows=2, low=band, high=band, **common
        )
    yield Interactions(
        values=np.ones((2, n, n, o)), base_values=np.zeros((2, o)), features=names, quality=quality, **common
    )


def test_hostile_names_stay_text(make):
    # a lone surrogate cannot be in a pandas frame, so it is an output's name
    names = HOSTILE[:-1]
    tame = tuple(f"name {j}" for j in range(len(names)))
    for hostile, plain in zip(answers(make, names, HOSTILE[-3:]), answers(make, tame, ("u", "v", "w")), strict=True):
        page, oracle = Page(hostile._repr_html_()), Page(plain._repr_html_())
        assert page.tags == oracle.tags
        assert page.attributes == oracle.attributes == {"style", "scope"}
        hostile._repr_html_().encode("utf-8")
        assert len(hostile._repr_html_()) < 60_000
        assert len(repr(hostile)) < 2000
    assert "</td><script>alert(1)</script>" in Page(next(answers(make, names))._repr_html_()).text


@quick
@given(names=st.lists(st.text(max_size=10), min_size=1, max_size=5, unique=True).map(tuple))
def test_any_names_stay_text(make, names):
    outputs = ("y",)
    tame = tuple(f"name {j}" for j in range(len(names)))
    made, oracle = make(2, names, outputs), make(2, tame, outputs)
    assert Page(made._repr_html_()).tags == Page(oracle._repr_html_()).tags


def test_values_have_their_sign_and_their_error_in_text(make):
    made = make(2, ("a", "b"), data=pd.DataFrame({"a": [31.0, np.nan], "b": ["Bern", None]}), sampled=True)
    page = Page(made._repr_html_())
    for i in range(2):
        for j in range(2):
            assert f"{made.values[i, j, 0]:+.4g}" in page.text
            assert f"± {made.std_error[i, j, 0]:.2g}" in page.text
        assert f"{made.prediction[i, 0]:.4g}" in page.text
        assert f"{made.base_values[i, 0]:.4g}" in page.text
    for said in (
        "31",
        "Bern",
        "missing",
        "residual 1e-15",
        "bound 1e-12",
        "exact, 2 rows × 2 features × 1 output, raw",
    ):
        assert said in page.text
    assert "±" not in Page(make(2)._repr_html_()).text


def test_large_answers_are_cut_and_say_so(make):
    made = make(1000, tuple(f"f{j}" for j in range(200)), tuple(f"y{k}" for k in range(9)))
    text = Page(made._repr_html_()).text
    for said in ("… 992 more rows", "… 192 more features", "… 6 more outputs"):
        assert said in text
    assert len(made._repr_html_()) < 60_000
    largest = np.argsort(-np.abs(made.values[:, :, 0]).mean(axis=0))
    assert f"f{largest[0]}" in text


@pytest.mark.parametrize("rows", [0, 1])
def test_empty_answers_can_be_shown(make, rows):
    Page(make(rows)._repr_html_())
