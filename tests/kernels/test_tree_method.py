"""`Tree` binds a model to the kernels: which game, which columns, what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from pellucid._base.errors import UnsupportedRequestError
from pellucid.explainers.base import Question
from pellucid.explainers.tree import Tree
from pellucid.ir import Encoding, LinearForm, Model, Space, TreeEnsemble
from pellucid.table import Table
from pellucid.testing.oracles import exact_interventional, exact_path_dependent, relative_error
from pellucid.testing.strategies import Shape, random_ensemble

# Feature 0 is a number; feature 1 has three categories, one column each.
GROUPS = np.array([0, 1, 1, 1])


def encode(X: Table) -> np.ndarray:
    number, category = X.column("x0"), X.column("x1")
    return np.column_stack([number, *(category == code for code in range(3))]).astype(float)


@pytest.fixture
def model() -> Model:
    shape = Shape(n_trees=4, n_columns=4, n_features=4, depth=3, bushy=1.0)
    trees, _ = random_ensemble(np.random.default_rng(2), shape)
    trees = replace(trees, threshold=np.where(trees.feature > 0, 0.5, trees.threshold))
    return Model(
        label="a forest",
        outputs=("prediction",),
        raw=lambda X: trees.predict(encode(X)),
        structure=trees,
        encoding=Encoding(transform=encode, groups=GROUPS),
    )


X = Table.of(np.array([[0.3, 0.0], [-1.0, 2.0], [np.nan, 1.0]]))
BACKGROUND = Table.of(np.array([[0.0, 0.0], [1.0, 1.0], [-2.0, 2.0], [0.5, 1.0]]))


def question(model: Model, background: Table | None = None, space: Space = Space.RAW) -> Question:
    return Question(model=model, background=background, space=space)


def test_without_background_the_game_is_path_dependent_in_raw_features(model: Model) -> None:
    found = Tree().bind(question(model)).explain(X)
    assert found.values.shape == (3, 2, 1)
    assert found.std_error is None
    assert found.background == "tree covers (path-dependent)"
    for i, row in enumerate(encode(X)):
        exact = exact_path_dependent(model.structure, GROUPS, 2, row)
        assert relative_error(model.structure, found.values[i], found.base_values[i], exact) <= 1e-12


def test_with_background_the_game_is_interventional_in_raw_features(model: Model) -> None:
    found = Tree().bind(question(model, BACKGROUND)).explain(X)
    assert found.background == "4 background rows (interventional)"
    for i, row in enumerate(encode(X)):
        exact = exact_interventional(model.structure, GROUPS, 2, row, encode(BACKGROUND))
        assert relative_error(model.structure, found.values[i], found.base_values[i], exact) <= 1e-12


@pytest.mark.parametrize("background", [None, BACKGROUND])
def test_values_add_up_within_the_bound_and_the_bound_is_small(model: Model, background: Table | None) -> None:
    found = Tree().bind(question(model, background)).explain(X)
    gap = np.abs(found.base_values + found.values.sum(axis=1) - model.predict(X)).max()
    assert gap <= found.bound <= 1e-10 * model.structure.leaf_sizes().max()


def test_a_binary_margin_is_mirrored(model: Model) -> None:
    one = Tree().bind(question(model)).explain(X)
    two = Tree().bind(question(replace(model, mirrored=True, outputs=("no", "yes")))).explain(X)
    assert np.array_equal(two.values, np.concatenate([-one.values, one.values], axis=-1))
    assert np.array_equal(two.base_values, np.concatenate([-one.base_values, one.base_values], axis=-1))


def test_the_margins_own_space_is_answered(model: Model) -> None:
    margin = replace(model, raw_space=Space.LOG_ODDS)
    raw = Tree().bind(question(margin)).explain(X)
    assert np.array_equal(Tree().bind(question(margin, space=Space.LOG_ODDS)).explain(X).values, raw.values)


@pytest.mark.parametrize("space", [Space.PROBABILITY, Space.LOSS])
def test_other_spaces_are_refused_with_the_nearest_possible(model: Model, space: Space) -> None:
    margin = replace(model, raw_space=Space.LOG_ODDS)
    with pytest.raises(UnsupportedRequestError, match=f"add up to space='log_odds', not to space='{space}'.*'shapley'"):
        Tree().bind(question(margin, space=space))


def test_models_without_trees_are_refused_with_their_reason(model: Model) -> None:
    opaque = replace(model, structure=None, encoding=None, why_no_structure="it is a function")
    with pytest.raises(
        UnsupportedRequestError, match=r"a forest is none that can be read \(it is a function\).*shapley"
    ):
        Tree().bind(question(opaque, BACKGROUND))
    linear = replace(model, structure=LinearForm(coefficients=np.ones((1, 4)), intercept=np.zeros(1)))
    with pytest.raises(UnsupportedRequestError, match="needs a tree ensemble"):
        Tree().bind(question(linear, BACKGROUND))


def test_trees_without_covers_need_a_background(model: Model) -> None:
    trees: TreeEnsemble = replace(model.structure, cover=np.zeros(len(model.structure.cover)))
    bare = replace(model, structure=trees)
    with pytest.raises(UnsupportedRequestError, match=r"training weight.*Pass background="):
        Tree().bind(question(bare))
    assert Tree().bind(question(bare, BACKGROUND)).explain(X).values.shape == (3, 2, 1)


def test_threads_change_no_bit(model: Model) -> None:
    many = Table.of(np.random.default_rng(0).integers(-3, 3, (200, 2)).astype(float))
    one = Tree().bind(question(model, BACKGROUND)).explain(many)
    two = Tree().bind(replace(question(model, BACKGROUND), n_jobs=2)).explain(many)
    assert one.values.tobytes() == two.values.tobytes()


def test_no_rows_give_no_values(model: Model) -> None:
    empty = Tree().bind(question(model, BACKGROUND)).explain(X.take([]))
    assert empty.values.shape == (0, 2, 1)
    assert empty.base_values.shape == (0, 1)
