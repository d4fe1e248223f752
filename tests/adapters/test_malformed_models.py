"""Small model files with one integer changed: each predicts or is refused by name; nothing crashes or hangs."""

import json
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io

ROWS = 60
WORKERS = 2
WORKER = Path(__file__).parent / "malformed_worker.py"


def fitted(model, X, y, **fit):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y, **fit)


def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, 3))
    X[:, 1] = rng.integers(0, 5, ROWS)
    return X, X[:, 0] + np.sin(3 * X[:, 1]) + X[:, 2] ** 2


def xgboosts(folder, suffix="json"):
    import xgboost

    X, y = rows()
    shared = {"n_jobs": 1, "max_depth": 2}
    sets = {"enable_categorical": True, "feature_types": ["q", "c", "q"]}
    regressions = [
        {"n_estimators": 1},
        {"n_estimators": 2},
        {"n_estimators": 2, "booster": "dart", "rate_drop": 0.5},
        {"n_estimators": 1, "num_parallel_tree": 2},
        {"n_estimators": 2, "booster": "gblinear"},
        {"n_estimators": 2, "objective": "reg:absoluteerror"},
        {"n_estimators": 1, "gamma": 5.0},
        {"n_estimators": 1, **sets},
        {"n_estimators": 2, "max_cat_to_onehot": 1, **sets},
        {"n_estimators": 1, "booster": "dart", **sets},
    ]
    for k, options in enumerate(regressions):
        fitted(xgboost.XGBRegressor(**(shared | options)), X, y).save_model(folder / f"xgb{k}.{suffix}")
    for k, cut in enumerate(([0], [-1, 1])):
        classes = np.digitize(y, cut)
        fitted(xgboost.XGBClassifier(n_estimators=1, **shared), X, classes).save_model(folder / f"xgbc{k}.{suffix}")
    vector = xgboost.XGBRegressor(n_estimators=1, multi_strategy="multi_output_tree", **shared)
    fitted(vector, X, X[:, [0, 2]]).save_model(folder / f"xgbv.{suffix}")


def lightgbms(folder):
    import lightgbm

    X, y = rows()
    shared = {"n_jobs": 1, "verbose": -1, "num_leaves": 4, "min_child_samples": 5, "min_data_per_group": 1}
    regressions = [
        {"n_estimators": 1},
        {"n_estimators": 3},
        {"n_estimators": 2, "boosting_type": "dart"},
        {"n_estimators": 2, "boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1},
        {"n_estimators": 2, "linear_tree": True},
        {"n_estimators": 2, "zero_as_missing": True},
        {"n_estimators": 2, "objective": "poisson"},
        {"n_estimators": 1, "min_child_samples": 1000},
    ]
    for k, options in enumerate(regressions):
        model = fitted(lightgbm.LGBMRegressor(**(shared | options)), X, np.abs(y))
        model.booster_.save_model(folder / f"lgb{k}.txt")
    for k, options in enumerate(({"cat_smooth": 1}, {"max_cat_to_onehot": 1, "cat_smooth": 1, "n_estimators": 2})):
        model = fitted(
            lightgbm.LGBMRegressor(**({"n_estimators": 1} | shared | options)), X, y, categorical_feature=[1]
        )
        model.booster_.save_model(folder / f"lgbs{k}.txt")
    for k, cut in enumerate(([0], [-1, 1])):
        model = fitted(lightgbm.LGBMClassifier(n_estimators=1, **shared), X, np.digitize(y, cut))
        model.booster_.save_model(folder / f"lgbc{k}.txt")


def catboosts(folder, suffix="json"):
    import catboost

    X, y = rows()
    shared = {"verbose": 0, "thread_count": 1, "allow_writing_files": False, "depth": 2, "iterations": 2}
    for k, options in enumerate(
        (
            {},
            {"iterations": 1},
            {"nan_mode": "Max", "border_count": 4},
            {"grow_policy": "Depthwise"},
            {"grow_policy": "Lossguide"},
            {"loss_function": "MAE"},
        )
    ):
        model = fitted(catboost.CatBoostRegressor(**(shared | options)), X, y)
        model.save_model(str(folder / f"cat{k}.{suffix}"), format=suffix)
    for k, cut in enumerate(([0], [-1, 1])):
        model = fitted(catboost.CatBoostClassifier(**shared), X, np.digitize(y, cut))
        model.save_model(str(folder / f"catc{k}.{suffix}"), format=suffix)
    texts = pd.DataFrame({"a": X[:, 0], "c": np.resize(list("pqr"), ROWS), "d": X[:, 2]})
    for k, policy in enumerate(("SymmetricTree", "Depthwise")):
        model = catboost.CatBoostRegressor(**shared, cat_features=["c"], one_hot_max_size=9, grow_policy=policy)
        fitted(model, texts, y + 3 * (texts["c"] == "q")).save_model(str(folder / f"texts{k}.{suffix}"), format=suffix)


def scikit_learns(folder):
    from sklearn import ensemble, tree

    X, y = rows()
    shared = {"max_depth": 2, "random_state": 0}
    models = [
        tree.DecisionTreeRegressor(**shared),
        tree.ExtraTreeRegressor(**shared),
        ensemble.RandomForestRegressor(2, **shared),
        ensemble.ExtraTreesRegressor(2, **shared),
        ensemble.GradientBoostingRegressor(n_estimators=2, **shared),
        ensemble.HistGradientBoostingRegressor(max_iter=2, **shared),
        ensemble.HistGradientBoostingRegressor(max_iter=2, categorical_features=[1], **shared),
    ]
    classifiers = [
        tree.DecisionTreeClassifier(**shared),
        ensemble.RandomForestClassifier(2, **shared),
        ensemble.GradientBoostingClassifier(n_estimators=1, **shared),
    ]
    fit = [(model, y) for model in models] + [(model, np.digitize(y, [-1, 1])) for model in classifiers]
    for k, (model, target) in enumerate(fit):
        skops.io.dump(fitted(model, X, target), folder / f"sk{k}.skops")


MAKERS = {
    "xgboost": xgboosts,
    "lightgbm": lightgbms,
    "catboost": catboosts,
    "xgboost binary": partial(xgboosts, suffix="ubj"),
    "catboost binary": partial(catboosts, suffix="cbm"),
    "scikit-learn": scikit_learns,
}


def _worked_through(most, files):
    command = [sys.executable, str(WORKER), str(most), *files]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)


def fuzzed(folder, most):
    """Share the files among workers, and return what they counted."""
    files = sorted(str(path) for path in folder.iterdir())
    shares = [files[k::WORKERS] for k in range(WORKERS)]
    tally = {"refused": 0, "taken": 0, "unnamed": [], "files": len(files)}
    with ThreadPoolExecutor(WORKERS) as threads:
        done = list(threads.map(partial(_worked_through, most), shares))
    for worker in done:
        at = [path.read_text() for path in sorted(folder.glob("*.now"))]
        assert worker.returncode == 0, f"{worker.stderr[-3000:]}\n{at}"
        for key, count in json.loads(worker.stdout.splitlines()[-1]).items():
            tally[key] += count
    assert tally["unnamed"] == []
    return tally


@pytest.mark.heavy
@pytest.mark.parametrize("library", MAKERS)
def test_every_integer_of_small_model_files(library, tmp_path):
    MAKERS[library](tmp_path)
    # A .cbm is opened by a process of its own, which takes a second each time.
    tally = fuzzed(tmp_path, 8 if library == "catboost binary" else 300)
    assert tally["files"] >= 10
    assert tally["refused"] > tally["taken"] / 10  # many integers are records of the training, without effect


@pytest.mark.parametrize("library", MAKERS)
def test_the_first_integers_of_one_file_each(library, tmp_path):
    MAKERS[library](tmp_path)
    for path in sorted(tmp_path.iterdir())[1:]:
        path.unlink()
    assert fuzzed(tmp_path, 1 if library == "catboost binary" else 12)["refused"] > 0
