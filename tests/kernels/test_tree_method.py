"""`Tree` binds a model to the kernels: which game, which columns, what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

import pellucid
from pellucid._base.errors import AdditivityError, InputError, UnsupportedRequestError
from pellucid._kernels.trees import PathDependent
from pellucid.explainers.base import Question
from pellucid.explainers.interactions import check_size
from pellucid.explainers.tree import Tree
from pellucid.ir import Encoding, LinearForm, Model, Space, TreeEnsemble
from pellucid.table import Table
from pellucid.testing.oracles import exact_interactions, exact_interventional, exact_path_dependent, relative_error
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


@pytest.mark.parametrize("background", [None, BACKGROUND], ids=["covers", "rows"])
def test_interactions_add_up_to_the_values(model: Model, background: Table | None) -> None:
    bound = Tree().bind(question(replace(model, mirrored=True, outputs=("no", "yes")), background))
    pairs, sums = bound.interactions(X)
    assert pairs.shape == (3, 2, 2, 2)
    assert np.array_equal(pairs[..., 0], -pairs[..., 1])
    assert np.allclose(sums.values, bound.explain(X).values, rtol=0, atol=1e-12)
    exact = exact_interactions(
        model.structure, GROUPS, 2, encode(X)[1], None if background is None else encode(BACKGROUND)
    )
    found = pairs[1, ..., 1:]
    assert np.allclose(found, np.array(exact, dtype=float), rtol=0, atol=1e-12)


@pytest.mark.parametrize("index", ["BV", "beta(4,1)", "beta(2, 3)"])
def test_other_indices_promise_no_sum_and_have_no_interactions(model: Model, index: str) -> None:
    bound = Tree(index=index).bind(question(model, BACKGROUND))
    found = bound.explain(X)
    assert not found.sums
    shapley = Tree().bind(question(model, BACKGROUND)).explain(X).values
    assert np.allclose(found.values, shapley) == (index == "BV")  # which are the same for two features
    with pytest.raises(UnsupportedRequestError, match="index='SV'"):
        bound.interactions(X)


@pytest.mark.parametrize("index", ["sv", "beta(0,1)", "beta(1.5,1)", "beta(1,1)x", "", None])
def test_an_unknown_index_is_refused(model: Model, index) -> None:
    with pytest.raises(InputError, match="'SV', 'BV' or 'beta"):
        Tree(index=index).bind(question(model))


def test_an_answer_that_would_not_fit_is_refused_before_the_work() -> None:
    with pytest.raises(InputError, match=r"take 745 GiB; 16 GiB is the most\. Explain fewer rows"):
        check_size(1000, 10_000**2, 1)


def test_the_door_gives_interactions_with_names_and_residual() -> None:
    rows, y = load_diabetes(return_X_y=True, as_frame=True)
    forest = RandomForestRegressor(5, max_depth=5, random_state=0).fit(rows, y)
    found = pellucid.interactions(forest, rows.head(4), background=rows.head(50))
    values = pellucid.explain(forest, rows.head(4), background=rows.head(50))
    assert found.features == tuple(rows.columns)
    assert found.quality.residual <= found.quality.bound
    assert np.allclose(found.feature_values, values.values, rtol=0, atol=1e-9)
    assert np.allclose(found.prediction[:, 0], forest.predict(rows.head(4)), rtol=0, atol=1e-9)


def test_the_door_cuts_interactions_to_the_outputs_asked_for() -> None:
    rows, y = load_iris(return_X_y=True)
    forest = RandomForestClassifier(5, max_depth=3, random_state=0).fit(rows, y)
    whole = pellucid.interactions(forest, rows[:3])
    part = pellucid.interactions(forest, rows[:3], output=[2, 0])
    assert part.outputs == (whole.outputs[2], whole.outputs[0])
    assert np.array_equal(part.values, whole.values[..., [2, 0]])


@pytest.mark.parametrize("number", [np.nan, np.inf, 1.0])
def test_matrices_that_do_not_add_up_to_finite_outputs_are_refused(monkeypatch, number: float) -> None:
    rows, y = load_iris(return_X_y=True)
    forest = RandomForestRegressor(5, max_depth=3, random_state=0).fit(rows, y)
    right = PathDependent.interactions

    def wrong(game: PathDependent, columns: np.ndarray, **options: object) -> tuple[np.ndarray, np.ndarray]:
        matrices, _ = right(game, columns, **options)
        changed = matrices + np.where(np.arange(len(rows))[:, None, None, None] == 7, number, 0.0)
        return changed, changed.sum(axis=2)

    monkeypatch.setattr(PathDependent, "interactions", wrong)
    with pytest.raises(AdditivityError, match="at row 7"):
        pellucid.interactions(forest, rows)


def test_a_row_that_nothing_can_move_has_no_interactions() -> None:
    found = pellucid.interactions(lambda x: x[:, 0] * x[:, 1], np.ones((1, 2)), background=np.ones((3, 2)))
    assert not found.values.any()
    assert found.base_values.tolist() == [[1.0]]


def test_a_method_without_interactions_says_so() -> None:
    explainer = pellucid.Explainer(lambda x: x[:, 0] * x[:, 1], np.ones((3, 2)), method="permutation")
    with pytest.raises(UnsupportedRequestError, match="need a tree ensemble"):
        explainer.interactions(np.ones((1, 2)))


@pytest.mark.parametrize("n_rows", [3, 20_000])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_rows_are_hashed_whatever_their_number_and_that_of_the_threads(n_rows: int, n_jobs: int) -> None:
    columns, y = load_diabetes(return_X_y=True)
    tree = RandomForestRegressor(n_estimators=1, max_depth=2, random_state=0).fit(columns, y)
    rows = np.resize(columns, (n_rows, columns.shape[1]))
    found = pellucid.explain(tree, rows, n_jobs=n_jobs)
    assert found.provenance.hashes["rows"] == Table.of(rows).digest()
