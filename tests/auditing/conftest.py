"""Small subjects whose truth is known, because they are made here."""

import numpy as np
import pandas as pd
import pytest

from pellucid.auditing.subject import Subject


def sigmoid(score):
    return 1 / (1 + np.exp(-score))


@pytest.fixture
def make_subject():
    """A subject with sensible parts: three independent numbers, a smooth true probability, a model that knows it."""

    def make(n=400, seed=0, *, model="knows", X=None, y=None, **options):
        rng = np.random.default_rng(seed)
        if X is None:
            X = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
        if model == "knows":
            model = knows
        if y is None:
            y = np.where(rng.random(len(X)) < sigmoid(1.5 * X["a"] - X["b"]), "yes", "no")
        return Subject.of(model, X, y, progress=False, **options)

    return make


def knows(X):
    """The true probability of "yes"."""
    return sigmoid(1.5 * X["a"] - X["b"] + 0 * X["c"]).to_numpy()


@pytest.fixture
def true_model():
    return knows
