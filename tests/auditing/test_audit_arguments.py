"""Wrong arguments get one sentence that says what to do; right ones are read as documented."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from pellucid._base.errors import ColumnError, FileError, InputError, PellucidError
from pellucid.auditing.policy import Policy, read_policy
from pellucid.auditing.scoring import classes_of_target, sorted_labels
from pellucid.auditing.subject import Subject


def data(n=60, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 2)), columns=["a", "b"])
    return X, np.where(X["a"] + rng.normal(size=n) > 0, "yes", "no")


def fitted():
    return LogisticRegression().fit(*data())


def of(X=None, y=None, model="fitted", **options):
    default_X, default_y = data()
    return Subject.of(
        fitted() if model == "fitted" else model,
        default_X if X is None else X,
        default_y if y is None else y,
        **options,
    )


X60, Y60 = data()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"X": X60[:3], "y": Y60[:3]}, "at least 20 rows"),
        ({"y": Y60[:59]}, "one value per row"),
        ({"y": np.full(60, "yes")}, "constant"),
        ({"y": np.where(np.arange(60) == 7, None, Y60)}, "missing in 1 row, first at row 7"),
        ({"y": np.where(Y60 == "yes", "perhaps", "no")}, "does not know"),
        ({"y": np.column_stack([Y60, Y60])}, "one target at a time"),
        ({"X": X60.rename(columns={"b": "bb"})}, "lacks the columns 'b'"),
        ({"X": X60.assign(extra=1)}, "does not know: 'extra'"),
        ({"sensitive_features": "race"}, "does not have: ‘race’"),
        ({"sensitive_features": {"g": [1, 2]}}, "one row per row"),
        ({"sensitive_features": 3}, "names of columns"),
        ({"favorable": "maybe"}, "is not a class"),
        ({"threshold": "high"}, "finite number"),
        ({"threshold": float("nan")}, "finite number"),
        ({"threshold": 3}, "between 0 and 1"),
        ({"sample_weight": np.zeros(60)}, "not zero everywhere"),
        ({"sample_weight": -np.ones(60)}, "not negative"),
        ({"sample_weight": [1.0]}, "one value per row"),
        ({"sample_weight": ["x"] * 60}, "numbers"),
        ({"rows": [60]}, "numbered from 0 to 59"),
        ({"rows": [1.5]}, "whole row numbers"),
        ({"rows": "all"}, "'typical'"),
        ({"rows": []}, "empty"),
        ({"background": X60[:0]}, "at least one row"),
        ({"y_train": Y60}, "without X_train"),
        ({"X_train": X60[:5], "y_train": Y60[:5]}, "at least 20 rows"),
        ({"policy": 3}, "path to a TOML file"),
        ({"random_state": None}, "whole number"),
    ],
)
def test_wrong_arguments(arguments, words):
    with pytest.raises(PellucidError) as error:
        of(**arguments)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_regression_model_needs_a_finite_numeric_target():
    X, _ = data()
    model = LinearRegression().fit(X, X["a"])
    with pytest.raises(InputError, match="has labels"):
        Subject.of(model, X, data()[1])
    with pytest.raises(InputError, match="infinite"):
        Subject.of(model, X, X["a"].where(X.index != 3, np.inf))
    with pytest.raises(InputError, match="does not have two"):
        Subject.of(model, X, X["a"], threshold=0.5)
    with pytest.raises(InputError, match="target is a number"):
        Subject.of(model, X, X["a"], favorable=1)


@pytest.mark.parametrize("container", [pd.DataFrame, pl.from_pandas, lambda X: X.to_dict("list")])
def test_containers_give_the_same_subject(container):
    X, y = data()
    subject = of(X=container(X), y=pl.Series(y.tolist()) if container is not pd.DataFrame else pd.Series(y))
    assert subject.X.digest() == of().X.digest()
    np.testing.assert_array_equal(subject.raw, of().raw)
    np.testing.assert_array_equal(subject.y, y)


def test_sensitive_columns_may_be_beside_or_inside():
    X, _ = data()
    groups = np.tile(["x", "y"], 30)
    beside = of(sensitive_features={"g": groups})
    inside = of(X=X.assign(g=groups), sensitive_features="g")
    series = of(sensitive_features=pd.Series(groups, name="g"))
    for subject in (beside, inside, series):
        assert list(subject.groups) == ["g"]
        assert subject.groups["g"].tolist() == groups.tolist()
        assert subject.X.names == ("a", "b")
    assert of(sensitive_features=groups).groups["group"].tolist() == groups.tolist()


def test_sensitive_columns_of_the_training_data_are_kept():
    X, y = data()
    groups = np.tile(["x", "y"], 30)
    subject = of(X=X.assign(g=groups), sensitive_features="g", X_train=X.assign(g=groups[::-1]), y_train=y)
    assert subject.sensitive_train["g"].tolist() == groups[::-1].tolist()
    assert subject.X_train.names == ("a", "b")


def test_many_valued_numbers_are_grouped_by_quartiles_and_missing_is_a_group():
    age = np.arange(60.0)
    age[:5] = np.nan
    groups = of(sensitive_features={"age": age}).groups["age"]
    assert len(set(groups)) == 5
    assert (groups == "(missing)").sum() == 5
    flags = of(sensitive_features=pd.DataFrame({"f": np.arange(60) % 2 == 0})).groups["f"]
    assert set(flags) == {"True", "False"}


def test_the_threshold_moves_decisions_to_the_second_class():
    plain, strict = of(), of(threshold=0.9)
    assert plain.classes.tolist() == ["no", "yes"]
    np.testing.assert_array_equal(plain.predicted == "yes", plain.probability[:, 1] > 0.5)
    np.testing.assert_array_equal(strict.predicted == "yes", strict.probability[:, 1] >= 0.9)
    assert (strict.predicted == "yes").sum() < (plain.predicted == "yes").sum()


def test_favorable_matches_by_text_too():
    X, y = data()
    numbers = (y == "yes").astype(int)
    subject = Subject.of(LogisticRegression().fit(X, numbers), X, numbers, favorable="1")
    assert subject.favorable == 1


def test_bare_functions_are_read_by_their_target():
    X, y = data()
    one = of(model=lambda X: np.full(len(X), 0.3))
    assert one.classes.tolist() == ["no", "yes"]
    assert one.probability[0].tolist() == [0.7, 0.3]
    three = np.where(X["b"] > 1, "z", y)
    many = of(y=three, model=lambda X: np.tile([0.2, 0.3, 0.5], (len(X), 1)))
    assert (many.task, many.classes.tolist()) == ("multiclass", ["no", "yes", "z"])
    assert of(y=X["a"].to_numpy(), model=lambda X: X["a"].to_numpy()).task == "regression"
    with pytest.raises(InputError, match="probabilities"):
        of(model=lambda X: 3 + X["a"].to_numpy())
    with pytest.raises(InputError, match="3 labels"):
        of(y=three, model=lambda X: np.full(len(X), 0.5))


def test_targets_without_a_model():
    assert classes_of_target(np.array([0.5, 1.5, 2.5])) is None
    assert classes_of_target(np.arange(11)) is None
    assert classes_of_target(np.array([0, 1, 2])).tolist() == [0, 1, 2]
    assert sorted_labels(np.array(["b", "a", 1], dtype=object)).tolist() == [1, "a", "b"]


def test_policy_files(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text("leak_purity = 0.9\nmin_group_size = 5\n")
    assert read_policy(path) == Policy(leak_purity=0.9, min_group_size=5)
    assert read_policy({"leak_purity": 0.9}).min_group_size == 10
    assert read_policy(None) == Policy()
    path.write_text("leak_puriti = 0.9\n")
    with pytest.raises(InputError, match="'leak_purity'"):
        read_policy(path)
    path.write_text("leak_purity = 'much'\n")
    with pytest.raises(InputError, match="must be a number"):
        read_policy(str(path))
    path.write_text("min_group_size = 2.5\n")
    with pytest.raises(InputError, match="whole number"):
        read_policy(path)
    path.write_text("= 3")
    with pytest.raises(FileError, match="not TOML"):
        read_policy(path)
    with pytest.raises(FileError, match="cannot be read"):
        read_policy(tmp_path / "none.toml")


def test_duplicate_columns_are_refused():
    X, _ = data()
    X.columns = ["a", "a"]
    with pytest.raises(ColumnError, match="more than one column"):
        of(X=X)


def test_inputs_are_left_alone():
    X, y = data()
    before, labels = X.copy(), y.copy()
    subject = of(X=X, y=y, rows="typical")
    assert len(subject.explanation) == 60
    pd.testing.assert_frame_equal(X, before)
    np.testing.assert_array_equal(y, labels)
