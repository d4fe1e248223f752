"""What the noun says, shows and keeps, and what the door refuses."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

import pellucid
from pellucid import ColumnError, Constraints, Counterfactuals, FileError, InputError, Model, ModelError, Space
from pellucid.explainers.counterfactuals.distances import Gower, plausibility, typical_gaps

NAMES = ("age", "<b>debt</b>")


def shares(table):
    yes = 1 / (1 + np.exp(-(table.column("age") - 40) / 5 + table.column("<b>debt</b>") / 10))
    return np.column_stack([1 - yes, yes])


TOY = Model(
    label="the toy", outputs=("no", "yes"), raw=shares, raw_space=Space.PROBABILITY, probability=shares,
    classes=np.array(["no", "yes"]), features=NAMES,
)  # fmt: skip
BACKGROUND = pd.DataFrame({"age": [20.0, 35.0, 50.0, 60.0], "<b>debt</b>": [5.0, 30.0, 5.0, 8.0]})
ROWS = pd.DataFrame({"age": [30.0, 70.0], "<b>debt</b>": [5.0, 2.0]})


@pytest.fixture
def found():
    return pellucid.counterfactuals(TOY, ROWS, background=BACKGROUND, target="yes", n=2)


def test_sentence_says_what_the_model_would_have_given_and_promises_nothing(found):
    assert found.sentence(0) == (
        "With ‘age’ at 50 instead of 30, the model would have given ‘yes’ 81.8 % (it was 7.6 %)."
    )
    assert found.sentence(1) == "No alternative for this row: the model gives ‘yes’ already."
    assert "you" not in found.sentence(0)
    assert found.changes(0) == {"age": (30.0, 50.0)}
    assert found.changes(0, 1) == {"age": (30.0, 60.0)}
    assert repr(found).startswith("Counterfactuals(1 of 2 rows have alternatives, 2 in all)")


def test_frame_has_one_line_per_change(found):
    frame = found.to_frame()
    assert list(frame.columns) == ["row", "alternative", "feature", "from", "to", "distance", "plausibility"]
    assert frame[["row", "alternative", "from", "to"]].to_numpy().tolist() == [[0, 0, 30, 50], [0, 1, 30, 60]]


def test_names_are_escaped(found):
    assert (
        "<b>debt"
        not in pellucid.counterfactuals(
            TOY, ROWS, background=BACKGROUND, target="yes", constraints=Constraints(immutable="age")
        )._repr_html_()
    )
    debt = pd.DataFrame({"age": [44.0], "<b>debt</b>": [30.0]})
    html = pellucid.counterfactuals(TOY, debt, background=BACKGROUND, constraints=Constraints(immutable=["age"]))
    assert "&lt;b&gt;debt" in html._repr_html_()
    assert "<b>debt" not in html._repr_html_()


def test_saved_and_loaded_is_the_same(found, tmp_path):
    path = found.save(tmp_path / "a.pellucid")
    again = Counterfactuals.load(path)
    assert [again.sentence(r) for r in range(2)] == [found.sentence(r) for r in range(2)]
    assert again.reasons == found.reasons
    assert np.array_equal(again.after, found.after)
    assert again.to_frame().equals(found.to_frame())
    assert again.provenance == found.provenance
    with pytest.raises(FileError):
        pellucid.Explanation.load(path)


def test_arrays_are_read_only_and_checked(found):
    for name in ("row", "changed", "before", "after", "distance", "nearest", "plausibility"):
        assert not getattr(found, name).flags.writeable
    with pytest.raises(InputError, match="ascend"):
        Counterfactuals(**{**vars(found), "row": found.row + 7})
    with pytest.raises(InputError, match="changed"):
        Counterfactuals(**{**vars(found), "changed": found.changed[:, :1]})


@pytest.mark.parametrize(("row", "k"), [(5, 0), (-3, 0), ("a", 0), (0, 2), (0, -1), (1, 0), (True, 0)])
def test_what_is_not_there_gets_a_sentence(found, row, k):
    with pytest.raises(InputError, match="there is no"):
        found.changes(row, k)


def test_regression_lands_in_its_range():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    model = LinearRegression().fit(X, y)
    found = pellucid.counterfactuals(model, X.head(20), background=X, target=(150, 200), n=2)
    assert (found.counts[[not r for r in found.reasons]] == 2).all()
    assert ((found.after >= 150) & (found.after <= 200)).all()
    assert np.allclose(model.predict(found.alternatives), found.after[:, 0])
    first = int(found.row[0])
    assert " instead of " in found.sentence(first)
    assert "%" not in found.sentence(first)


def test_score_of_at_least_t():
    found = pellucid.counterfactuals(TOY, ROWS, background=BACKGROUND, target=(0.9, None), output="yes")
    assert (found.after[:, 1] >= 0.9).all()
    assert found.sentence(0).endswith("the model would have given ‘yes’ 97.1 % instead of 7.6 %.")


def test_margins_where_there_are_no_probabilities():
    X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0]])
    model = LinearSVC().fit(X, [0, 0, 1, 1])
    found = pellucid.counterfactuals(model, X, background=X)
    assert (model.predict(found.alternatives) != np.array([0, 0, 1, 1])[found.row]).all()
    assert found.sentence(0).endswith("‘1’ instead of ‘0’.")
    assert isinstance(found.alternatives, np.ndarray)


def test_small_differences_are_visible():
    rows = pd.DataFrame({"age": [40.49999], "<b>debt</b>": [5.0]})
    background = pd.DataFrame({"age": [42.50004, 42.49996], "<b>debt</b>": [5.0, 5.0]})
    rows["age"] = 42.49996
    found = pellucid.counterfactuals(TOY, rows, background=background)
    assert "42.50004 instead of 42.49996" in found.sentence(0)


def test_no_rows_no_answers():
    found = pellucid.counterfactuals(TOY, ROWS.head(0), background=BACKGROUND)
    assert len(found) == len(found.row) == 0
    assert found._repr_html_()
    assert len(found.to_frame()) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "maybe"}, "one of the classes"),
        ({"target": (0.9, 0.1), "output": "yes"}, "range"),
        ({"target": (None, None), "output": "yes"}, "range"),
        ({"target": ("a", "b"), "output": "yes"}, "range"),
        ({"target": (0.5, None)}, "which output"),
        ({"target": (0.5, None), "output": "perhaps"}, "there is no output"),
        ({"output": "yes"}, "target=\\(low, high\\)"),
        ({"n": 0}, "n must be"),
        ({"n": 1.5}, "n must be"),
        ({"neighbours": 0}, "neighbours must be"),
        ({"random_state": None}, "random_state"),
        ({"constraints": {"immutable": ["age"]}}, "Constraints"),
        ({"constraints": Constraints(immutable=["agee"])}, "agee"),
        ({"constraints": Constraints(check=lambda before, after: True)}, "one bool for each"),
        ({"background": BACKGROUND.head(0)}, "at least one row"),
        ({"background": BACKGROUND[["age"]]}, "lacks the columns"),
    ],
)
def test_bad_input_gets_a_named_error(options, words):
    with pytest.raises(InputError, match=words):
        pellucid.counterfactuals(TOY, ROWS, **{"background": BACKGROUND, **options})


@pytest.mark.parametrize(
    "options",
    [
        {"increase_only": ["a"], "decrease_only": ["a"]},
        {"ranges": {"a": (2, 1)}},
        {"ranges": {"a": 3}},
        {"ranges": [("a", 1)]},
        {"allowed": {"a": "red"}},
        {"linked": ["ab"]},
        {"linked": [["a", "b"], ["b", "c"]]},
        {"max_changes": 0},
        {"max_changes": True},
        {"check": "yes"},
        {"immutable": [1]},
        {"immutable": 1},
    ],
)
def test_constraints_that_are_none_are_refused(options):
    with pytest.raises(InputError):
        Constraints(**options)


def test_order_is_refused_where_there_is_none():
    X = pd.DataFrame({"town": ["a", "b"], "n": [0.0, 1.0]})
    model = Model(label="f", outputs=("y",), raw=lambda t: t.column("n"))
    for constraints in (Constraints(increase_only=["town"]), Constraints(ranges={"town": (0, 1)})):
        with pytest.raises(InputError, match="no order"):
            pellucid.counterfactuals(model, X, background=X, target=(1, None), constraints=constraints)
    with pytest.raises(InputError, match="must be numbers"):
        pellucid.counterfactuals(
            model, X, background=X, target=(1, None), constraints=Constraints(allowed={"n": ["x"]})
        )
    with pytest.raises(InputError, match="returns a number"):
        pellucid.counterfactuals(model, X, background=X)


def test_unknown_columns_are_named():
    with pytest.raises(ColumnError, match="shoe"):
        pellucid.counterfactuals(TOY, ROWS.assign(shoe=1), background=BACKGROUND)


@pytest.mark.parametrize(
    "raw",
    [lambda t: np.zeros((len(t), 3)), lambda t: np.full((len(t), 2), np.nan), lambda t: [["a", "b"]] * len(t)],
    ids=["shape", "nan", "text"],
)
def test_misbehaving_models_get_a_named_error(raw):
    model = Model(
        label="bad", outputs=("no", "yes"), raw=raw, raw_space=Space.PROBABILITY, probability=raw, classes=np.arange(2)
    )
    with pytest.raises(ModelError, match="bad"):
        pellucid.counterfactuals(model, ROWS, background=BACKGROUND)


def test_a_model_that_changes_its_mind_gets_a_named_error():
    random = np.random.default_rng(0)

    def raw(table):
        yes = random.random(len(table))
        return np.column_stack([1 - yes, yes])

    model = Model(
        label="the dice", outputs=("no", "yes"), raw=raw, raw_space=Space.PROBABILITY, probability=raw,
        classes=np.arange(2),
    )  # fmt: skip
    X = pd.DataFrame(random.normal(size=(40, 4)), columns=list("abcd"))
    with pytest.raises(ModelError, match="the dice gave other outputs"):
        pellucid.counterfactuals(model, X, background=X)


def test_a_model_that_writes_into_its_input_harms_nobody():
    def raw(table):
        table.native.iloc[:, 0] = 0.0
        return shares(table)

    model = Model(
        label="writer", outputs=("no", "yes"), raw=raw, raw_space=Space.PROBABILITY, probability=raw,
        classes=np.arange(2), features=NAMES,
    )  # fmt: skip
    rows, background = ROWS.copy(), BACKGROUND.copy()
    pellucid.counterfactuals(model, rows, background=background)
    assert rows.equals(ROWS)
    assert background.equals(BACKGROUND)


def test_gower_by_hand():
    gower = Gower.of(np.array([[0.0, 0.0, 5.0], [10.0, 1.0, 5.0], [np.nan, 2.0, 5.0]]), np.array([True, False, True]))
    a = np.array([[0.0, 0.0, 5.0]])
    b = np.array([[5.0, 1.0, 5.0], [99.0, 0.0, 6.0], [np.nan, 0.0, 5.0], [0.0, 0.0, 5.0], [np.inf, 0.0, 5.0]])
    assert gower.between(a, b)[0] == pytest.approx([1.5 / 3, 2 / 3, 1 / 3, 0.0, 1 / 3])
    assert gower.along(b, b).tolist() == [0.0] * 5
    assert gower.nearest(a, b).tolist() == [0.0]


def test_plausibility_is_a_share_of_real_rows():
    gower = Gower(np.array([10.0]))
    gaps = typical_gaps(gower, np.array([[0.0], [1.0], [3.0], [10.0]]), 0)
    assert gaps == pytest.approx([0.1, 0.1, 0.2, 0.7])
    assert plausibility(np.array([0.0, 0.15, 0.7, 0.8]), gaps).tolist() == [1.0, 0.5, 0.25, 0.0]
    assert np.isnan(plausibility(np.array([0.1]), typical_gaps(gower, np.array([[0.0]]), 0))).all()


def test_many_background_rows_are_sampled_by_the_seed():
    random = np.random.default_rng(0)
    codes = random.normal(size=(1500, 2))
    gower = Gower(np.ones(2))
    one, again, other = (typical_gaps(gower, codes, seed) for seed in (0, 0, 1))
    assert len(one) == 1000
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_features_of_a_tree_that_nothing_reads_are_never_changed():
    random = np.random.default_rng(1)
    X = random.normal(size=(300, 6))
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, X[:, 0] + X[:, 1] > 0)
    found = pellucid.counterfactuals(model, X[:50], background=X, n=3)
    read = np.unique(model.tree_.feature[model.tree_.feature >= 0])
    assert not np.delete(found.changed, read, axis=1).any()
