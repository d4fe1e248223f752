"""The models and rows that everybody explains, trained once from fixed seeds."""

from collections.abc import Callable
from typing import Any

import joblib
import numpy as np

from benchmarks.trees.environment import HOME

TRAINED_ON, KEPT = 20_000, 10_000


def rows() -> tuple[Any, Any]:
    """Rows and labels: 30 features of which 20 tell something, 20,000 rows to train on and 10,000 to explain."""
    from sklearn.datasets import make_classification

    X, y = make_classification(
        TRAINED_ON + KEPT, 30, n_informative=14, n_redundant=6, n_clusters_per_class=8, flip_y=0.1, random_state=0
    )
    return np.ascontiguousarray(X, dtype=np.float64), y


def _xgboost(trees: int, depth: int) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=trees, max_depth=depth, learning_rate=0.1, n_jobs=1, random_state=0)


def _lightgbm(leaves: int) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=500, num_leaves=leaves, learning_rate=0.05, n_jobs=1, random_state=0, verbose=-1)


def _forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(100, max_features=2, n_jobs=1, random_state=0)


def _catboost() -> Any:
    from catboost import CatBoostClassifier

    return CatBoostClassifier(
        iterations=500, depth=6, thread_count=1, random_seed=0, verbose=0, allow_writing_files=False
    )


MODELS: dict[str, Callable[[], Any]] = {
    "xgb d6": lambda: _xgboost(500, 6),
    "xgb d6 100": lambda: _xgboost(100, 6),
    "xgb d12": lambda: _xgboost(100, 12),
    "lgb 31": lambda: _lightgbm(31),
    "lgb 255": lambda: _lightgbm(255),
    "forest": _forest,
    "catboost": _catboost,
}


def model(name: str) -> Any:
    """Return a model, from its file where it was trained before (a file of ours, in our own folder)."""
    path = HOME / "models" / f"{name.replace(' ', '-')}.joblib"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        X, y = rows()
        joblib.dump(MODELS[name]().fit(X[:TRAINED_ON], y[:TRAINED_ON]), path)
    return joblib.load(path)


def explained_rows(count: int) -> Any:
    """Rows that no model was trained on."""
    return rows()[0][TRAINED_ON : TRAINED_ON + count]


def background_rows(count: int) -> Any:
    """Rows of the training, or None for none."""
    return rows()[0][:count] if count else None
