"""A model, decisions and a log that several tests share."""

import numpy as np
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from pellucid.datasets import load_hmda


@pytest.fixture(scope="session")
def hmda():
    return load_hmda()


@pytest.fixture(scope="session")
def mortgage_model(hmda):
    """Boosted trees behind one-hot columns, as users build them."""
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), make_column_selector(dtype_exclude="number")),
        remainder="passthrough",
    )
    model = make_pipeline(encode, HistGradientBoostingClassifier(max_iter=60, learning_rate=0.08, random_state=0))
    return model.fit(hmda.X, hmda.y)


@pytest.fixture(scope="session")
def denials(hmda, mortgage_model):
    """1,000 rows drawn with replacement from those that a cut-off of 15 % denies, and that cut-off in log-odds."""
    risk = mortgage_model.predict_proba(hmda.X)[:, 1]
    rows = np.random.default_rng(0).choice(np.flatnonzero(risk > 0.15), 1000)
    return hmda.X.iloc[rows].reset_index(drop=True), float(np.log(0.85 / 0.15))
