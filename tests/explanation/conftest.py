"""Answers to test with."""

import numpy as np
import pytest
from hypothesis import strategies as st

from pellucid.explanation import Evaluations, Explanation, Provenance, Quality
from pellucid.ir import Space
from pellucid.table import Table

PROVENANCE = Provenance(method="exact", reason="a test.", model="a toy", parameters={"width": 2.0, "layers": [1, None]})


def _explanation(
    rows=3, features=("a", "b", "c"), outputs=("y",), *, data=None, sampled=False, seed=0, space=Space.RAW
):
    random = np.random.default_rng(seed)
    shape = (rows, len(features), len(outputs))
    return Explanation(
        values=random.normal(size=shape),
        base_values=random.normal(size=(rows, len(outputs))),
        features=features,
        outputs=outputs,
        space=space,
        quality=Quality(residual=1e-15, bound=1e-12, evaluations=Evaluations(coalitions=8, model_rows=24)),
        provenance=PROVENANCE,
        data=None if data is None else Table.of(data),
        std_error=np.abs(random.normal(size=shape)) if sampled else None,
    )


@pytest.fixture(scope="session")
def make():
    """Make an explanation of random values."""
    return _explanation


@pytest.fixture(scope="session")
def explanations():
    """Strategy for explanations with any names, sizes, spaces and data."""
    names = st.lists(st.text(max_size=6), min_size=1, max_size=4, unique=True).map(tuple)
    cells = {
        "number": st.one_of(st.none(), st.floats(), st.integers(-(2**62), 2**62)),
        "text": st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=5)),
        "mixed": st.one_of(st.none(), st.booleans(), st.integers(), st.dates(), st.datetimes(), st.text(max_size=3)),
    }

    @st.composite
    def draw(draw_):
        rows = draw_(st.integers(0, 4))
        features, outputs = draw_(names), draw_(names)
        columns = np.empty((rows, len(features)), dtype=object)
        for j in range(len(features)):
            kind = draw_(st.sampled_from(sorted(cells)))
            for i in range(rows):
                columns[i, j] = draw_(cells[kind])
        data = draw_(st.sampled_from(["none", "matrix", "floats"]))
        made = _explanation(
            rows,
            features,
            outputs,
            sampled=draw_(st.booleans()),
            seed=draw_(st.integers(0, 99)),
            space=draw_(st.sampled_from(list(Space))),
        )
        table = {"none": None, "matrix": columns, "floats": np.asarray(made.values[:, :, 0])}[data]
        return _with(made, None if table is None else Table.of(table, names=features))

    return draw()


def _with(made, data):
    fields = {name: getattr(made, name) for name in made.__dataclass_fields__}
    return Explanation(**fields | {"data": data})
