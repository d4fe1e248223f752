"""Very wide, very many classes, very small: right answers, and memory that goes with the answer."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

import pellucid
from pellucid import InputError, Table
from pellucid._kernels.trees import Interventional, PathDependent
from pellucid.adapters import as_model
from pellucid.ir import TreeEnsemble

MEASURED = """
import json, sys
from pathlib import Path
import numpy as np
from pellucid._kernels.trees import Interventional, PathDependent
sys.path.insert(0, sys.argv[1])
from test_tree_sizes import stumps

def resident(field):
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith(field))
    return int(line.split()[1]) * 1024

n_columns, n_outputs, n_rows = map(int, sys.argv[2:5])
trees = stumps(n_columns, n_outputs)
groups = np.arange(n_columns)
X = np.zeros((n_rows, n_columns))
X[:, trees.feature[trees.roots]] = 1.0
sizes = {}
for name, make in (
    ("path", lambda: PathDependent(trees, groups, n_columns)),
    ("background", lambda: Interventional(trees, groups, n_columns, X[:2] * 0)),
):
    game = make()
    game.values(X[:1])
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    values = game.values(X)
    sizes[name] = [values.nbytes, resident("VmHWM") - before]
    del values
print(json.dumps(sizes))
"""


def stumps(n_columns, n_outputs, n_trees=20):
    """Trees of one split on columns spread from the first to the last; leaves -1 and 1 for the next output each."""
    columns = np.linspace(0, n_columns - 1, n_trees).astype(np.int32)
    roots = 3 * np.arange(n_trees, dtype=np.int32)
    n = 3 * n_trees
    left, right, feature = (np.full(n, -1, dtype=np.int32) for _ in range(3))
    left[roots], right[roots], feature[roots] = roots + 1, roots + 2, columns
    value = np.zeros((n, 1))
    value[roots + 1], value[roots + 2] = -1.0, 1.0
    cover = np.ones(n)
    cover[roots] = 2.0
    return TreeEnsemble(
        roots=roots,
        left=left,
        right=right,
        feature=feature,
        threshold=np.where(feature >= 0, 0.5, 0.0),
        missing_left=np.zeros(n, dtype=bool),
        cover=cover,
        value=value,
        output=(np.arange(n_trees) % n_outputs).astype(np.int32),
        base=np.zeros(n_outputs),
        n_columns=n_columns,
        less_equal=True,
    )


def measured(n_columns, n_outputs, n_rows):
    """Bytes of the answer and of the peak above what was held before, per game, in a fresh process."""
    command = [sys.executable, "-c", MEASURED, str(Path(__file__).parent), *map(str, (n_columns, n_outputs, n_rows))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.heavy
@pytest.mark.parametrize(("n_columns", "n_outputs", "n_rows"), [(90_000, 1, 64), (1_100_000, 1, 16), (300, 10_000, 4)])
def test_memory_goes_with_the_answer(n_columns, n_outputs, n_rows):
    for answer, peak in measured(n_columns, n_outputs, n_rows).values():
        assert answer == 8 * n_rows * n_columns * n_outputs
        assert peak >= 0.9 * answer  # or nothing was measured
        assert peak <= 2.5 * answer + 2**25  # the answer, the rows it reads, and a scratch that does not grow


@pytest.mark.parametrize("n_columns", [90_000, 1_100_000])
def test_values_of_very_wide_rows(n_columns):
    trees = stumps(n_columns, 1, n_trees=5)
    columns = trees.feature[trees.roots]
    X = np.zeros((2, n_columns))
    X[0, columns[::2]] = 1.0
    expected = np.zeros((2, n_columns))
    expected[:, columns] = np.where(X[:, columns] > 0, 1.0, -1.0)
    groups = np.arange(n_columns)
    assert np.array_equal(PathDependent(trees, groups, n_columns).values(X)[:, :, 0], expected)
    against = Interventional(trees, groups, n_columns, np.zeros((3, n_columns))).values(X)[:, :, 0]
    assert np.array_equal(against, np.where(expected > 0, 2.0, 0.0))


def test_ten_thousand_classes():
    trees = stumps(30, 10_000)
    values = PathDependent(trees, np.arange(30), 30).values(np.ones((2, 30)))
    assert values.shape == (2, 30, 10_000)
    assert np.array_equal(values[0], values[1])
    used = trees.feature[trees.roots]
    assert np.array_equal(values[0, used, np.arange(20)], np.ones(20))
    assert np.abs(values[0]).sum() == 20


def test_a_forest_of_a_thousand_classes_adds_up():
    X = np.random.default_rng(0).normal(size=(2500, 4))
    model = RandomForestClassifier(2, max_depth=4, random_state=0).fit(X, np.arange(2500) % 1000)
    for background in (None, X[:5]):
        found = pellucid.explain(model, X[:3], background=background)
        assert found.values.shape == (3, 4, 1000)
        np.testing.assert_allclose(found.prediction, model.predict_proba(X[:3]), atol=1e-12)


def test_trees_that_never_split():
    X = np.random.default_rng(0).normal(size=(20, 3))
    model = DecisionTreeRegressor().fit(X, np.full(20, 2.5))
    for background in (None, X[:4]):
        found = pellucid.explain(model, X[:2], background=background)
        assert np.array_equal(found.values, np.zeros((2, 3, 1)))
        assert np.array_equal(found.base_values, np.full((2, 1), 2.5))
        assert np.array_equal(pellucid.interactions(model, X[:2], background=background).values, np.zeros((2, 3, 3, 1)))


@pytest.mark.parametrize("against", [None, 1.0])
def test_no_rows(against):
    X = np.random.default_rng(0).normal(size=(30, 3))
    model = RandomForestRegressor(3, max_depth=3, random_state=0).fit(X, X[:, 0])
    background = None if against is None else X[:5]
    assert pellucid.explain(model, X[:0], background=background).values.shape == (0, 3, 1)
    assert pellucid.interactions(model, X[:0], background=background).values.shape == (0, 3, 3, 1)
    with pytest.raises(InputError, match="at least one row"):
        pellucid.explain(model, X[:2], background=X[:0])


def test_branches_without_training_rows_share_evenly():
    """Both children of cover zero: half each, as a split that nobody took tells nothing."""
    trees = stumps(2, 1, n_trees=2)
    cover = trees.cover.copy()
    cover[:3] = 0.0
    fields = {name: getattr(trees, name) for name in TreeEnsemble.__dataclass_fields__}
    empty = TreeEnsemble(**(fields | {"cover": cover}))
    values = PathDependent(empty, np.arange(2), 2).values(np.array([[1.0, 0.0]]))
    assert np.array_equal(values[0, :, 0], [1.0, -1.0])
    one_sided = TreeEnsemble(**(fields | {"cover": np.array([3.0, 3.0, 0.0, 2.0, 1.0, 1.0])}))
    game = PathDependent(one_sided, np.arange(2), 2)
    assert game.base.tolist() == [-1.0]
    assert game.values(np.array([[1.0, 1.0]]))[0, :, 0].tolist() == [2.0, 1.0]


def test_interactions_that_would_not_fit_are_refused_before_any_work():
    trees_of = DecisionTreeRegressor(max_depth=2, random_state=0)
    X = np.zeros((10, 90_000))
    X[:, 89_999] = np.arange(10)
    model = trees_of.fit(X, X[:, 89_999])
    with pytest.raises(InputError, match="GiB"):
        pellucid.interactions(model, X[:2])
    assert as_model(model, reference=Table.of(X)).structure.n_columns == 90_000
