"""Model files: loaded without running what a stranger wrote."""

import hashlib
import pickle
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn import ensemble, linear_model, preprocessing, tree
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from pellucid._base.errors import FileError
from pellucid.adapters.files import REVIEWED_TYPES, load_callable, load_model

RNG = np.random.default_rng(2)
X = RNG.normal(size=(80, 3))
Y = (X[:, 0] > 0).astype(int)
FRAME = pd.DataFrame({"a": X[:, 0], "word": np.where(X[:, 1] > 0, "up", "down")})


def mixed(final):
    words = make_pipeline(SimpleImputer(strategy="most_frequent"), preprocessing.OneHotEncoder())
    columns = ColumnTransformer([("w", words, ["word"]), ("n", preprocessing.StandardScaler(), ["a"])])
    return make_pipeline(columns, final).fit(FRAME, Y)


SKOPS = {
    "linear": lambda: linear_model.LogisticRegression().fit(X, Y),
    "tree": lambda: tree.DecisionTreeClassifier(random_state=0).fit(X, Y),
    "forest": lambda: ensemble.RandomForestClassifier(4, random_state=0).fit(X, Y),
    "boosting": lambda: ensemble.GradientBoostingRegressor(n_estimators=4).fit(X, Y),
    "hist": lambda: ensemble.HistGradientBoostingClassifier(max_iter=4).fit(X, Y),
    "hist with categories": lambda: ensemble.HistGradientBoostingClassifier(max_iter=4, categorical_features=[0]).fit(
        np.column_stack([np.arange(80) % 5, X[:, 1]]), Y
    ),
    "bagging": lambda: ensemble.BaggingClassifier(n_estimators=2, random_state=0).fit(X, Y),
}


@pytest.mark.parametrize("kind", SKOPS)
def test_skops_files_of_scikit_learn_need_no_trust(tmp_path, kind):
    model = SKOPS[kind]()
    skops.io.dump(model, tmp_path / "m.skops")
    loaded = load_model(tmp_path / "m.skops")
    rows = np.column_stack([np.arange(80) % 5, X[:, 1]]) if "categories" in kind else X
    np.testing.assert_array_equal(loaded.predict(rows), model.predict(rows))


def test_pipelines_with_mixed_types(tmp_path):
    for final in (ensemble.HistGradientBoostingClassifier(max_iter=4), linear_model.LogisticRegression()):
        model = mixed(final)
        skops.io.dump(model, tmp_path / "m.skops")
        np.testing.assert_array_equal(load_model(tmp_path / "m.skops").predict(FRAME), model.predict(FRAME))


def test_other_types_are_named_with_the_remedy(tmp_path):
    def foreign(rows):
        return rows

    model = make_pipeline(preprocessing.FunctionTransformer(np.savetxt), linear_model.LinearRegression())
    model[-1].fit(X, Y)
    skops.io.dump(model, tmp_path / "m.skops")
    with pytest.raises(FileError, match=r"not trusted: numpy\.savetxt.*--trust-type numpy\.savetxt"):
        load_model(tmp_path / "m.skops")
    assert load_model(tmp_path / "m.skops", trust_types=["numpy.savetxt"]).steps
    assert foreign(1) == 1


def test_reviewed_types_open_call_and_import_nothing():
    for name in REVIEWED_TYPES:
        assert name.split(".")[0] in ("functools", "numpy", "sklearn"), name
        assert not name.startswith(("numpy.load", "numpy.save", "sklearn.datasets", "sklearn.utils._testing"))


def damaged(kind, change):
    model = SKOPS[kind]()
    change(model)
    return model


def hist_child(model):
    nodes = model._predictors[0][0].nodes
    nodes["left"][0] = 10_000_000


def hist_feature(model):
    model._predictors[0][0].nodes["feature_idx"][0] = 10_000_000


def hist_loop(model):
    model._predictors[0][0].nodes["left"][0] = 0


def hist_bitset(model):
    nodes = [t.nodes for stage in model._predictors for t in stage]
    node = next(n for n in nodes if n["is_categorical"].any())
    node["bitset_idx"][np.flatnonzero(node["is_categorical"])[0]] = 99_999


def width(model):
    model.estimators_[1].n_features_in_ = 900


def width_of_all(model):
    model.n_features_in_ = 1
    for inner in model.estimators_:
        inner.n_features_in_ = 1


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("hist", hist_child),
        ("hist", hist_feature),
        ("hist", hist_loop),
        ("hist with categories", hist_bitset),
        ("forest", width),
        ("forest", width_of_all),
    ],
)
def test_damaged_trees_are_refused_before_they_are_walked(tmp_path, kind, change):
    skops.io.dump(damaged(kind, change), tmp_path / "m.skops")
    with pytest.raises(FileError, match="damaged"):
        load_model(tmp_path / "m.skops")


@pytest.mark.parametrize("dump", [pickle.dump, joblib.dump], ids=["pkl", "joblib"])
def test_pickles_need_their_hash(tmp_path, dump):
    path = tmp_path / f"m.{'pkl' if dump is pickle.dump else 'joblib'}"
    with path.open("wb") as file:
        dump(SKOPS["linear"](), file)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(FileError, match="runs whatever code it contains"):
        load_model(path)
    with pytest.raises(FileError, match="not the pickle that was trusted"):
        load_model(path, trust_pickle="0" * 64)
    np.testing.assert_array_equal(load_model(path, trust_pickle=digest.upper()).predict(X[:3]), Y[:3])


class Bomb:
    def __reduce__(self):
        return (np.savetxt, ("bomb went off", [0]))


def test_a_pickle_is_not_opened_without_trust(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(FileError):
        load_model("m.pkl")
    with pytest.raises(FileError):
        load_model("m.pkl", trust_pickle="1" * 64)
    assert not (tmp_path / "bomb went off").exists()


def test_native_files(tmp_path):
    xgboost, lightgbm, catboost = (pytest.importorskip(name) for name in ("xgboost", "lightgbm", "catboost"))
    from pellucid.adapters import as_model
    from pellucid.table import Table
    from pellucid.testing.conformance_adapters import check_adapter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = xgboost.XGBClassifier(n_estimators=4, n_jobs=1).fit(X, Y)
        second = lightgbm.LGBMClassifier(n_estimators=4, n_jobs=1, verbose=-1).fit(X, Y)
        third = catboost.CatBoostClassifier(iterations=4, verbose=0, allow_writing_files=False).fit(X, Y)
    first.save_model(tmp_path / "m.json")
    first.save_model(tmp_path / "m.ubj")
    second.booster_.save_model(tmp_path / "m.txt")
    third.save_model(str(tmp_path / "m.cbm"))
    for suffix, model in (("json", first), ("ubj", first), ("txt", second), ("cbm", third)):
        loaded = load_model(tmp_path / f"m.{suffix}")
        report = check_adapter(loaded, X)
        assert report.structured
        np.testing.assert_array_equal(report.model.predict(Table.of(X)), as_model(model).predict(Table.of(X)))


@pytest.mark.parametrize("suffix", ["skops", "json", "ubj", "txt", "cbm", "joblib"])
@pytest.mark.parametrize("content", [b"", b"nonsense", b'{"learner": 3}'])
def test_files_that_are_not_what_they_say(tmp_path, suffix, content):
    path = tmp_path / f"m.{suffix}"
    path.write_bytes(content)
    with pytest.raises(FileError):
        load_model(path, trust_pickle=hashlib.sha256(content).hexdigest())


MUTATE = """
import random, re, sys, warnings
from pathlib import Path
import numpy as np
from pellucid._base.errors import FileError
from pellucid.adapters.files import load_model
warnings.simplefilter("ignore")
path, seed, X = Path(sys.argv[1]), int(sys.argv[2]), np.ones((5, 3))
text = path.read_text()
whole = load_model(path)
if path.suffix == ".json":
    import xgboost
    X = xgboost.DMatrix(X)
spots = [m.span() for m in re.finditer(r"-?\\b\\d+\\b", text.split("feature_importances")[0])]
draw, refused = random.Random(seed), 0
for _ in range(int(sys.argv[3])):
    start, stop = draw.choice(spots)
    word = draw.choice(["-1", "0", "1", "7", "99999", "2147483647", "-2147483648", "1000000000000"])
    path.write_text(text[:start] + word + text[stop:])
    try:
        loaded = load_model(path)
    except FileError:
        refused += 1
        continue
    try:
        loaded.predict(X)
    except Exception:
        pass
print(refused)
"""


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["xgboost", "dart", "lightgbm", "linear leaves", "categories"])
def test_edited_native_files_never_crash(tmp_path, kind):
    xgboost, lightgbm = (pytest.importorskip(name) for name in ("xgboost", "lightgbm"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind in ("xgboost", "dart"):
            booster = "dart" if kind == "dart" else "gbtree"
            path = tmp_path / "m.json"
            xgboost.XGBClassifier(n_estimators=3, max_depth=3, n_jobs=1, booster=booster).fit(X, Y).save_model(path)
        else:
            options = {"linear leaves": {"linear_tree": True}, "categories": {"categorical_feature": [0]}}.get(kind, {})
            rows = np.column_stack([np.arange(80) % 5, X[:, :2]])
            path = tmp_path / "m.txt"
            model = lightgbm.LGBMClassifier(
                n_estimators=3, n_jobs=1, verbose=-1, min_child_samples=5, min_data_per_group=1, **options
            )
            model.fit(rows, Y).booster_.save_model(path)
    done = subprocess.run(
        [sys.executable, "-c", MUTATE, str(path), "0", "60"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert 5 < int(done.stdout.splitlines()[-1]) < 60


def test_unknown_files(tmp_path):
    with pytest.raises(FileError, match="there is no file"):
        load_model(tmp_path / "none.skops")
    for suffix, message in (("onnx", "ONNX"), ("csv", "not a model file")):
        path = tmp_path / f"m.{suffix}"
        path.write_bytes(b"x")
        with pytest.raises(FileError, match=message):
            load_model(path)


def test_functions_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_own_model.py").write_text("class holder:\n    predict = staticmethod(lambda X: X[:, 0])\n")
    assert load_callable("my_own_model:holder.predict")(np.ones((2, 1))).shape == (2,)
    for name, message in (
        ("my_own_model:nothing", "has no 'nothing'"),
        ("no_such_module_here:f", "cannot import"),
        ("my_own_model", "expected module:attribute"),
    ):
        with pytest.raises(FileError, match=message):
            load_callable(name)
