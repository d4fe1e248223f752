"""Every model of the zoo in every mode: the sum against float64 re-summation and against the library's own output."""

import re

import numpy as np
import pytest

from pellucid._kernels.trees import Interventional, PathDependent
from pellucid.adapters import as_model, prove
from pellucid.ir import TreeEnsemble
from pellucid.table import Table

EXPLAINED, BACKGROUND = 10, 7
RESUMMATION = 1e-9
SENTENCE = re.compile(r"^[a-z].{20,}$")


def test_the_zoo_is_as_large_as_promised_and_refuses_little(zoo):
    assert len(zoo) >= 240
    assert len({one.name for one in zoo}) == len(zoo)
    assert sum(bool(one.refused) for one in zoo) <= 0.05 * len(zoo)


def test_values_and_interactions_add_up_to_the_models_own_output(specimen):
    fitted, X = specimen.make()
    table = Table.of(X)
    model = as_model(fitted, reference=table)
    if specimen.refused:
        assert model.structure is None
        assert specimen.refused in model.why_no_structure
        assert SENTENCE.match(model.why_no_structure)
        return
    trees, encoding = model.structure, model.encoding
    assert isinstance(trees, TreeEnsemble), model.why_no_structure
    prove(model, table)
    columns = encoding.transform(table)
    rows, others = columns[:EXPLAINED], columns[EXPLAINED : EXPLAINED + BACKGROUND]
    own = model.predict(table.take(range(EXPLAINED)))
    resummed = trees.predict(rows)
    scale = max(np.ptp(trees.predict(columns)), np.abs(resummed).max(), 1e-300)
    n_features = table.n_columns
    games = {"background": Interventional(trees, encoding.groups, n_features, others)}
    if trees.has_covers:
        games["path-dependent"] = PathDependent(trees, encoding.groups, n_features)
    else:
        pytest.fail("a library's own model must know its covers")
    for mode, game in games.items():
        values = game.values(rows)
        total = game.base + values.sum(axis=1)
        assert np.abs(total - resummed).max() <= RESUMMATION * scale, mode
        bound = trees.rounding_bound() + RESUMMATION * scale
        assert np.abs(model.structure_outputs(total) - own).max() <= bound, mode
        pairs = game.interactions(rows)[0]
        assert np.abs(pairs.sum(axis=2) - values).max() <= RESUMMATION * scale, mode
        assert np.array_equal(pairs, np.swapaxes(pairs, 1, 2)), mode
