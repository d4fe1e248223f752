"""Wrong options, wrong targets and models that misbehave: one clear sentence, and nothing changed."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

import pellucid
from pellucid import AdditivityError, FileError, InputError, ModelError, PellucidError, UnsupportedRequestError

WRONG = {
    "method": [None, True, 1, 1.5, [], {}, np.array([1, 2]), b"tree", int, len, "", "Tree", pellucid.Tree],
    "output": [True, 1, 1.5, "x", "", [], {}, object(), np.array([1, 2]), ["prediction", 0], 2**80],
    "space": [None, True, 1, [], "", "margin", np.array([1, 2]), 2**80],
    "budget": [True, 0, -1, 1.5, np.nan, np.inf, "9", [], np.array([1, 2]), b"9", np.float64(9), int],
    "tol": [True, 0, -1, np.nan, "x", [], {}, np.array([1, 2]), b"x", len, int],
    "random_state": [None, True, 1.5, "x", [], np.array([1, 2]), np.random.default_rng(0)],
    "n_jobs": [0, True, 1.5, np.inf, "x", [], np.array([1, 2]), len],
    "progress": ["x", 1, 0, 1.5, [], np.array([1, 2]), b"x"],
}
CASES = [(option, value) for option, values in WRONG.items() for value in values]


def frame(n=40):
    return pd.DataFrame(np.random.default_rng(0).normal(size=(n, 4)), columns=list("abcd"))


def total(X):
    return np.asarray(X).sum(axis=1)


@pytest.fixture(scope="module")
def tree():
    X = frame()
    return DecisionTreeRegressor(max_depth=3, random_state=0).fit(X, X["a"])


@pytest.mark.parametrize(("option", "value"), CASES, ids=lambda v: repr(v)[:40])
@pytest.mark.parametrize("black_box", [False, True])
def test_wrong_options_are_named_before_anything_is_computed(option, value, black_box, tree):
    calls = []

    def counted(X):
        calls.append(len(X))
        return total(X)

    with pytest.raises(PellucidError) as caught:
        pellucid.explain(counted if black_box else tree, frame(2), background=frame(5), **{option: value})
    assert option in str(caught.value)
    assert len(calls) <= 1  # the look at how many outputs there are


@pytest.mark.parametrize("value", [np.int64(60), 60])
def test_numpy_numbers_are_numbers(value):
    explanation = pellucid.explain(
        total, frame(2), background=frame(5), method="shapley", budget=value, tol=np.float32(1), random_state=value
    )
    assert explanation.values.shape == (2, 4, 1)


def test_more_threads_than_a_machine_has():
    assert pellucid.explain(total, frame(2), background=frame(5), n_jobs=2**80).values.shape == (2, 4, 1)


@pytest.mark.parametrize(
    ("method", "options"), [("shapley", {"budget": 3}), ("permutation", {"budget": 3}), ("lime", {"budget": 3})]
)
def test_a_budget_that_is_too_small_says_which_is_enough(method, options):
    X = frame()
    with pytest.raises(UnsupportedRequestError, match=r"needs at least \d+ .* Pass budget=\d+ or more") as caught:
        pellucid.explain(total, X[:2], background=X, method=method, **options)
    enough = int(str(caught.value).split("budget=")[-1].split(" ")[0])
    assert pellucid.explain(total, X[:2], background=X, method=method, budget=enough).values.shape == (2, 4, 1)


WRONG_TARGETS = {
    "none": (lambda y: None, "Pass y="),
    "short": (lambda y: y[:3], r"y must have one value for each of the 5 rows; got shape \(3,\)"),
    "wide": (lambda y: np.column_stack([y, y]), r"got shape \(5, 2\)"),
    "ragged": (lambda y: [[1], [2], [3], [4], [5, 6]], "got lists of different lengths"),
    "scalar": (lambda y: 3, r"got shape \(\)"),
    "missing": (lambda y: [None] * len(y), "y is missing|labels the model does not know"),
    "nan": (lambda y: [np.nan] * len(y), "y is missing|labels the model does not know"),
    "other": (lambda y: ["maybe"] * len(y), "y must be numbers|labels the model does not know: maybe"),
    "complex": (lambda y: [1 + 2j] * len(y), "y must be numbers|labels the model does not know"),
}


@pytest.mark.parametrize("name", WRONG_TARGETS)
@pytest.mark.parametrize("classes", [False, True])
def test_wrong_targets(name, classes):
    X = frame()
    y = np.where(X["a"] > 0, "yes", "no") if classes else X["a"].to_numpy()
    model = LogisticRegression().fit(X, y) if classes else LinearRegression().fit(X, y)
    change, sentence = WRONG_TARGETS[name]
    with pytest.raises(InputError, match=sentence):
        pellucid.explain(model, X[:5], background=X, space="loss", y=change(y[:5]))
    with pytest.raises(InputError, match=sentence.replace("Pass y=", "pass y")):
        pellucid.importance(model, X[:5], change(y[:5]), measure="permutation")


@pytest.mark.parametrize("shape", ["array", "series", "column", "list"])
def test_targets_in_every_container(shape):
    X = frame()
    y = X["a"].set_axis(range(100, 140))
    model = LinearRegression().fit(X, y)
    given = {"array": y.to_numpy(), "series": y, "column": y.to_frame(), "list": y.tolist()}[shape]
    expected = pellucid.explain(model, X, background=X[:5], space="loss", y=y.to_numpy()).values
    assert np.array_equal(pellucid.explain(model, X, background=X[:5], space="loss", y=given).values, expected)


def test_importance_refuses_options_it_would_ignore(tree):
    X = frame()
    for option, value in (
        ("background", X),
        ("output", 0),
        ("budget", 9),
        ("method", "tree"),
        ("space", "probability"),
    ):
        with pytest.raises(UnsupportedRequestError, match=f"has no use for {option}="):
            pellucid.importance(tree, X, X["a"], measure="permutation", **{option: value})
    with pytest.raises(InputError, match="at least one explained row"):
        pellucid.importance(tree, X[:0])
    with pytest.raises(InputError, match="at least 2; got 1"):
        pellucid.importance(tree, X[:1], X["a"][:1], measure="permutation")


@pytest.mark.parametrize("effect", [pellucid.pdp, pellucid.ice, pellucid.ale])
def test_effects_asked_wrongly(effect, tree):
    X = frame()
    wrong = [("output", "x"), ("output", []), ("space", "loss"), ("space", 3)]
    if effect is pellucid.ale:
        wrong += [("n_bins", v) for v in (0, 1.5, "x", None, True, 2**80)] + [("n_bootstrap", "x"), ("n_bootstrap", 0)]
        wrong += [("random_state", "x"), ("order", 5), ("order", "abc")]
    else:
        wrong += [("n_points", v) for v in (0, -1, 1.5, "x", None, True, 2**80)]
        wrong += [("percentiles", v) for v in ((5,), 5, "ab", (None, 1), (95, 5), (-1, 200), (np.nan, 95))]
    for option, value in wrong:
        with pytest.raises(PellucidError) as caught:
            effect(tree, X, "a", **{option: value})
        assert option in str(caught.value) or "percent" in str(caught.value)
    for feature in ("z", 0, None, ["a"], b"a", ""):
        with pytest.raises(PellucidError, match="there is no feature"):
            effect(tree, X, feature)
    with pytest.raises(InputError, match="X has no rows"):
        effect(tree, X[:0], "a")


class Predictor:
    """An estimator whose predict is the given function."""

    def __init__(self, function):
        self.function = function

    def predict(self, X):
        return self.function(np.asarray(X))


BAD_RETURNS = {
    "text": lambda X: ["a"] * len(X),
    "numbers as text": lambda X: ["1.5"] * len(X),
    "text in objects": lambda X: np.array(["1.5"] * len(X), dtype=object),
    "dates": lambda X: np.full(len(X), np.datetime64("2020")),
    "complex": lambda X: X.sum(axis=1) + 1j,
    "nan": lambda X: np.full(len(X), np.nan),
    "infinity": lambda X: np.full(len(X), np.inf),
    "beyond sums": lambda X: np.full(len(X), 1.7e308),
    "none": lambda X: None,
    "nones": lambda X: [None] * len(X),
    "one number": lambda X: 3.0,
    "one too few": lambda X: X.sum(axis=1)[:-1],
    "no outputs": lambda X: np.ones((len(X), 0)),
    "rank 3": lambda X: np.ones((len(X), 2, 2)),
    "ragged": lambda X: [[1.0]] * (len(X) - 1) + [[1.0, 2.0]],
    "a dict": lambda X: {"a": 1},
    "a generator": lambda X: (x for x in X),
    "sometimes wider": lambda X: np.ones((len(X), 2)) if len(X) > 4 else np.ones(len(X)),
}


@pytest.mark.parametrize("name", BAD_RETURNS)
@pytest.mark.parametrize("method", ["auto", "shapley", "permutation", "lime"])
@pytest.mark.parametrize("wrap", [Predictor, lambda function: function], ids=["model", "function"])
def test_models_that_return_something_else(name, method, wrap):
    X = frame().to_numpy()
    with pytest.raises(ModelError, match=r"must return|returned NaN, infinity or numbers beyond"):
        pellucid.explain(wrap(BAD_RETURNS[name]), X[:3], background=X[:10], method=method, budget=100)


GOOD_RETURNS = {
    "list": lambda X: X.sum(axis=1).tolist(),
    "column": lambda X: X.sum(axis=1)[:, None],
    "frame": lambda X: pd.DataFrame({"u": X.sum(axis=1)}),
    "series": lambda X: pd.Series(X.sum(axis=1)),
    "objects": lambda X: X.sum(axis=1).astype(object),
}


@pytest.mark.parametrize("name", GOOD_RETURNS)
@pytest.mark.parametrize("wrap", [Predictor, lambda function: function], ids=["model", "function"])
def test_numbers_in_any_container_are_numbers(name, wrap):
    X = frame().to_numpy()
    expected = pellucid.explain(total, X[:3], background=X[:10]).values
    assert np.array_equal(pellucid.explain(wrap(GOOD_RETURNS[name]), X[:3], background=X[:10]).values, expected)


@pytest.mark.parametrize("method", ["auto", "shapley", "permutation"])
@pytest.mark.parametrize("wrap", [Predictor, lambda function: function], ids=["model", "function"])
def test_a_model_that_is_not_deterministic_is_named(method, wrap):
    rng = np.random.default_rng(0)
    X = frame().to_numpy()
    with pytest.raises(AdditivityError, match="is not deterministic: it gave the same rows outputs that differ"):
        pellucid.explain(wrap(lambda X: rng.normal(size=len(X))), X[:3], background=X[:10], method=method)


def test_a_models_own_error_is_passed_on_short_and_with_a_remedy():
    def fails(X):
        raise KeyError("x" * 5000)

    X = frame()
    for model in (fails, Predictor(fails)):
        with pytest.raises(ModelError, match="KeyError") as caught:
            pellucid.explain(model, X[:2], background=X)
        assert len(str(caught.value)) < 600
        assert isinstance(caught.value.__cause__, KeyError)


def test_rows_and_background_of_different_widths_of_float():
    X = frame()
    explanation = pellucid.explain(total, X[:3].astype("float32"), background=X)
    np.testing.assert_allclose(explanation.prediction[:, 0], X[:3].astype("float32").astype(float).sum(axis=1))


def spoil(X):
    """Write into the rows, as some models do."""
    if isinstance(X, pd.DataFrame):
        X["a"] = 99.0
        return X.to_numpy().sum(axis=1)
    X[:] = np.nan_to_num(X) * 2
    return X.sum(axis=1)


class Spoiler:
    def predict(self, X):
        return spoil(X)


def in_place():
    X = frame().to_numpy() * 7 + 3
    return make_pipeline(StandardScaler(copy=False), LinearRegression()).fit(X.copy(), X[:, 0] + X[:, 1])


@pytest.mark.parametrize("model", [spoil, Spoiler(), in_place()], ids=["function", "estimator", "pipeline"])
@pytest.mark.parametrize("kind", ["frame", "array", "fortran", "read-only"])
def test_inputs_are_unchanged_by_models_that_write_into_them(model, kind):
    shape = {
        "frame": lambda X: X.copy(),
        "array": lambda X: X.to_numpy(copy=True),
        "fortran": lambda X: np.array(X.to_numpy(), order="F"),
        "read-only": lambda X: np.frombuffer(X.to_numpy().tobytes()).reshape(X.shape),
    }[kind]
    X, background, y = shape(frame(6)), shape(frame()), np.arange(6.0)
    before = [np.array(part, copy=True) for part in (X, background, y)]
    for method in ("auto", "shapley", "permutation", "lime"):
        pellucid.explain(model, X, background=background, method=method, space="loss", y=y)
    pellucid.importance(model, X, y, measure="permutation")
    pellucid.pdp(model, X, "a" if kind == "frame" else "x0")
    for part, old in zip((X, background, y), before, strict=True):
        assert np.array_equal(np.asarray(part), old)


def test_a_pipeline_that_scales_in_place_is_explained_rightly():
    model = in_place()
    X = frame().to_numpy() * 7 + 3
    importance = pellucid.importance(model, X, X[:, 0] + X[:, 1], measure="permutation")
    assert importance.values[0, 0] > 10
    np.testing.assert_allclose(
        pellucid.explain(model, X[:3], background=X).prediction[:, 0], model.predict(X[:3].copy()), atol=1e-9
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError])
@pytest.mark.parametrize("method", ["exact", "shapley", "permutation", "lime"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_case_26_nothing_is_changed_by_an_error_or_ctrl_c_in_the_middle(error, method, n_jobs):
    X, state = frame(), np.random.get_state()  # noqa: NPY002 - the state that nobody may touch
    calls = []

    def stopped(rows):
        calls.append(len(rows))
        if len(calls) == 3:
            raise error
        return total(rows)

    before, settings = X.copy(), np.geterr()
    explainer = pellucid.Explainer(total, X, method=method, n_jobs=n_jobs)
    expected = explainer(X[:3]).values

    def explain_until_it_stops():
        for _ in range(3):
            pellucid.explain(stopped, X[:3], background=X, method=method, n_jobs=n_jobs)

    with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else ModelError):
        explain_until_it_stops()
    assert X.equals(before)
    assert np.geterr() == settings
    assert all(np.array_equal(a, b) for a, b in zip(state, np.random.get_state(), strict=True))  # noqa: NPY002
    assert np.array_equal(explainer(X[:3]).values, expected)


def test_models_that_cannot_be_pickled():
    class Unpicklable:
        def __reduce__(self):
            raise TypeError("no")

        def __deepcopy__(self, memo):
            raise TypeError("no")

        def predict(self, X):
            return np.asarray(X).sum(axis=1)

    X = frame()
    assert pellucid.explain(Unpicklable(), X[:3], background=X, n_jobs=2).values.shape == (3, 4, 1)


@pytest.mark.parametrize("path", [None, 3, 1.5, [], "a\0b", b"a\0b"])
def test_names_that_are_no_file_names(path, tree):
    explanation = pellucid.explain(tree, frame(2))
    for call in (explanation.save, pellucid.Explanation.load, pellucid.load_model):
        with pytest.raises(PellucidError, match="a file name must be text or a path"):
            call(path)


def test_files_that_cannot_be(tmp_path, tree):
    explanation = pellucid.explain(tree, frame(2))
    for path in (tmp_path / ("x" * 300), tmp_path / "no" / "folder", tmp_path):
        with pytest.raises(FileError):
            explanation.save(path)
    (tmp_path / "model.pkl").write_bytes(b"")
    with pytest.raises(InputError, match="SHA-256 as text"):
        pellucid.load_model(tmp_path / "model.pkl", trust_pickle=3)
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(FileError, match="it has no entry 'learner'"):
        pellucid.load_model(tmp_path / "model.json")


HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a\"b'c`d&e",
    "[x] < y <= {z}",
    "\u202egnp.exe",
    "line\nbreak\ttab",
    "",
    "😀" * 5,
    "x" * 100_000,
    "=cmd|' /C calc'!A0",
    "{{7*7}} ${7*7} %s %n",
    "\ud800",
    "\x1b[31mred\x00",
]


def test_case_20_hostile_names_of_columns_classes_and_outputs(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, len(HOSTILE))), columns=pd.Index(HOSTILE, dtype=object))
    y = np.array(HOSTILE, dtype=object)[rng.integers(0, 3, 60)]

    class Model:
        classes_ = np.array(HOSTILE[:3], dtype=object)
        feature_names_in_ = np.array(HOSTILE, dtype=object)
        n_features_in_ = len(HOSTILE)

        def predict(self, X):
            return y[: len(X)]

        def predict_proba(self, X):
            return np.abs(np.asarray(X)[:, :3]) / np.abs(np.asarray(X)[:, :3]).sum(axis=1, keepdims=True)

    explanation = pellucid.explain(Model(), X[:2], background=X[:4], method="shapley", budget=100)
    assert explanation.features == tuple(HOSTILE)
    assert explanation.outputs == tuple(HOSTILE[:3])
    importance = explanation.importance()
    effect = pellucid.pdp(Model(), X, HOSTILE[0])
    for answer in (explanation, importance, effect):
        page = answer._repr_html_()
        assert "<script" not in page
        assert "<img" not in page
        assert len(page) < 40_000
        assert len(repr(answer)) < 4_000
        assert "\x1b" not in repr(answer)
    explanation.take(features=list(range(11))).save(tmp_path / "hostile.pellucid")
    assert pellucid.Explanation.load(tmp_path / "hostile.pellucid").features == tuple(HOSTILE[:11])
    with pytest.raises(PellucidError) as caught:
        pellucid.explain(Model(), X.drop(columns=HOSTILE[8]), background=X)
    assert len(str(caught.value)) < 2_000
