"""Small model files with one integer changed: each predicts or is refused by name; nothing crashes or hangs."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

ROWS = 60
WORKERS = 2
WORKER = """
import faulthandler, json, re, sys, warnings
from pathlib import Path
import numpy as np, pandas as pd
from pellucid._base.errors import PellucidError
from pellucid.adapters import as_model, load_model
from pellucid.table import Table

faulthandler.enable()
warnings.simplefilter("ignore")
FIXED = (-(2**31), -1, 0, 2**31 - 1)
INTEGER = re.compile(r'(?<![\\w.+-])-?\\d+(?![\\w.+-])')

def rows_of(path):
    X = np.random.default_rng(1).normal(size=(4, 3))
    X[:, 1] = [0, 1, 2, 40]
    if "texts" in path.stem:
        return pd.DataFrame({"a": X[:, 0], "c": ["p", "q", "r", "new"], "d": X[:, 2]})
    return X

def edits(text):
    end = text.find("feature_importances")
    spots = [match.span() for match in INTEGER.finditer(text, 0, end if end > 0 else len(text))]
    n = max(text.count("{"), 8) if text.startswith("{") else len(spots) // 8
    for start, stop in spots[:MOST]:
        for value in (*FIXED, n - 1, n):
            if str(value) != text[start:stop]:
                yield start, stop, value

MOST = int(sys.argv[1])
tally = {"refused": 0, "taken": 0}
for name in sys.argv[2:]:
    path = Path(name)
    original = path.read_text()
    edited = path.with_stem(path.stem + "-edited")
    X = Table.of(rows_of(path))
    for start, stop, value in edits(original):
        Path(name + ".now").write_text(f"{start} {stop} {value}: {original[max(0, start - 80):stop + 20]!r}")
        edited.write_text(original[:start] + str(value) + original[stop:])
        faulthandler.dump_traceback_later(20, exit=True)
        try:
            model = as_model(load_model(edited))
            model.predict(X)
            if model.structure is not None:
                model.structure.predict(model.encoding.transform(X))
            tally["taken"] += 1
        except PellucidError as error:
            assert str(error), "an error without words"
            tally["refused"] += 1
        finally:
            faulthandler.cancel_dump_traceback_later()
    Path(name + ".now").unlink()
print(json.dumps(tally))
"""


def fitted(model, X, y, **fit):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y, **fit)


def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, 3))
    X[:, 1] = rng.integers(0, 5, ROWS)
    return X, X[:, 0] + np.sin(3 * X[:, 1]) + X[:, 2] ** 2


def xgboosts(folder):
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
        fitted(xgboost.XGBRegressor(**(shared | options)), X, y).save_model(folder / f"xgb{k}.json")
    for k, cut in enumerate(([0], [-1, 1])):
        classes = np.digitize(y, cut)
        fitted(xgboost.XGBClassifier(n_estimators=1, **shared), X, classes).save_model(folder / f"xgbc{k}.json")
    vector = xgboost.XGBRegressor(n_estimators=1, multi_strategy="multi_output_tree", **shared)
    fitted(vector, X, X[:, [0, 2]]).save_model(folder / "xgbv.json")


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


def catboosts(folder):
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
        model.save_model(str(folder / f"cat{k}.json"), format="json")
    for k, cut in enumerate(([0], [-1, 1])):
        model = fitted(catboost.CatBoostClassifier(**shared), X, np.digitize(y, cut))
        model.save_model(str(folder / f"catc{k}.json"), format="json")
    texts = pd.DataFrame({"a": X[:, 0], "c": np.resize(list("pqr"), ROWS), "d": X[:, 2]})
    for k, policy in enumerate(("SymmetricTree", "Depthwise")):
        model = catboost.CatBoostRegressor(**shared, cat_features=["c"], one_hot_max_size=9, grow_policy=policy)
        fitted(model, texts, y + 3 * (texts["c"] == "q")).save_model(str(folder / f"texts{k}.json"), format="json")


MAKERS = {"xgboost": xgboosts, "lightgbm": lightgbms, "catboost": catboosts}


def fuzzed(folder, most):
    """Share the files among workers, and return what they counted."""
    files = sorted(str(path) for path in folder.iterdir())
    shares = [files[k::WORKERS] for k in range(WORKERS)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(most), *share], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for share in shares
    ]
    tally = {"refused": 0, "taken": 0, "files": len(files)}
    for worker in running:
        out, err = worker.communicate(timeout=900)
        at = [path.read_text() for path in sorted(folder.glob("*.now"))]
        assert worker.returncode == 0, f"{err[-3000:]}\n{at}"
        for key, count in json.loads(out.splitlines()[-1]).items():
            tally[key] += count
    return tally


@pytest.mark.heavy
@pytest.mark.parametrize("library", MAKERS)
def test_every_integer_of_small_model_files(library, tmp_path):
    MAKERS[library](tmp_path)
    tally = fuzzed(tmp_path, 300)
    assert tally["files"] >= 10
    assert tally["refused"] > tally["taken"] / 10  # many integers are records of the training, without effect


@pytest.mark.parametrize("library", MAKERS)
def test_the_first_integers_of_one_file_each(library, tmp_path):
    MAKERS[library](tmp_path)
    for path in sorted(tmp_path.iterdir())[1:]:
        path.unlink()
    assert fuzzed(tmp_path, 12)["refused"] > 0
