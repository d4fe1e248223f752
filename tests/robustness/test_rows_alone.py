"""A predict function must answer for each row alone, and be asked with options that are some."""

import functools

import numpy as np
import pytest

import pellucid
from pellucid import AdditivityError, InputError, ModelError
from pellucid._base.progress import check_progress

METHODS = ["exact", "shapley", "permutation", "lime"]
BOUND_TO_OTHERS = {
    "the row's number": lambda X: X.sum(axis=1) + np.arange(len(X)),
    "the first row": lambda X: X.sum(axis=1) - X[0].sum(),
    "the rows before": lambda X: np.cumsum(X.sum(axis=1)),
    "the batch's mean": lambda X: X.sum(axis=1) - X.mean(),
    "the number of rows": lambda X: X.sum(axis=1) / len(X),
}


def rows(n=30):
    return np.random.default_rng(0).normal(size=(n, 4))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", BOUND_TO_OTHERS)
def test_outputs_that_depend_on_other_rows_are_named(name, method, count):
    X = rows()
    with pytest.raises((ModelError, AdditivityError), match=r"stands elsewhere|the other rows it is given"):
        pellucid.explain(BOUND_TO_OTHERS[name], X[:count], background=X, method=method)


def test_lime_of_a_model_that_is_not_deterministic_is_named():
    X, rng = rows(), np.random.default_rng(1)
    with pytest.raises(AdditivityError, match="is not deterministic"):
        pellucid.explain(lambda Z: rng.normal(size=len(Z)), X[:3], background=X, method="lime")


@pytest.mark.parametrize("method", METHODS)
def test_the_rounding_of_a_batch_is_no_dependence(method):
    X = rows()
    weights = np.random.default_rng(2).normal(size=(4, 64)).astype(np.float32)

    def network(Z):
        return np.tanh(Z.astype(np.float32) @ weights) @ np.ones(64, dtype=np.float32)

    assert np.isfinite(pellucid.explain(network, X[:7], background=X, method=method).values).all()


@pytest.mark.parametrize("seed", [None, "x", 1.5, True])
def test_the_seed_of_an_importance_is_checked(seed):
    explanation = pellucid.explain(lambda Z: Z.sum(axis=1), rows(3), background=rows())
    with pytest.raises(InputError, match="random_state must be a whole number"):
        explanation.importance(random_state=seed)


WRONG_PROGRESS = {
    "one argument": lambda task: None,
    "four arguments": lambda task, done, total, more: None,
    "by keyword": lambda *, task, done, total: None,
    "a class": functools.partial(lambda task, done: None),
}


@pytest.mark.parametrize("name", WRONG_PROGRESS)
def test_a_progress_function_of_other_arguments_is_refused_before_the_work(name):
    calls = []

    def counted(X):
        calls.append(len(X))
        return X.sum(axis=1)

    with pytest.raises(InputError, match=r"a function of \(task, done, total\)"):
        pellucid.explain(counted, rows(3), background=rows(), progress=WRONG_PROGRESS[name])
    assert len(calls) <= 1


def test_progress_functions_of_every_making_are_taken():
    told = []
    for progress in (lambda *a: told.append(a), lambda task, done, total=0: told.append((task, done, total))):
        pellucid.explain(lambda Z: Z.sum(axis=1), rows(3), background=rows(), progress=progress)
    assert told == [("explaining", 1, 1)] * 2
    check_progress(print)
    check_progress(max)  # does not say what it takes
