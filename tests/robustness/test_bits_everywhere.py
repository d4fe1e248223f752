"""One answer, whatever the threads, the batch, the order and the process; and it adds up."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import pellucid
from pellucid import Table
from pellucid.adapters import as_model

RNG = np.random.default_rng(0)
BACKGROUND = RNG.normal(size=(24, 6))
ROWS = RNG.normal(size=(7, 6))


def by_row(X):
    """A function of each row alone: sums in a fixed order, whatever the batch."""
    total = np.zeros(len(X))
    for j in range(X.shape[1]):
        total = total + np.where(X[:, j] > 0, 1.5, 0.5) * X[:, j] * X[:, (j + 1) % X.shape[1]]
    return total


def linear_model():
    from sklearn.linear_model import LinearRegression

    return LinearRegression().fit(BACKGROUND, by_row(BACKGROUND))


def tree_model():
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(3, max_depth=4, random_state=0).fit(BACKGROUND, by_row(BACKGROUND))


TABLE = {
    "tree": (tree_model, {}),
    "linear": (linear_model, {}),
    "exact": (lambda: by_row, {}),
    "shapley": (lambda: by_row, {"budget": 40}),
    "permutation": (lambda: by_row, {"budget": 60}),
    "lime": (lambda: by_row, {"budget": 200}),
}


def explained(method, rows, **more):
    make, options = TABLE[method]
    return pellucid.explain(make(), rows, background=BACKGROUND, method=method, **options, **more)


def bits(explanation, rows=slice(None)):
    arrays = (explanation.values, explanation.base_values, explanation.std_error)
    return b"".join(array[rows].tobytes() for array in arrays if array is not None)


@pytest.mark.parametrize("method", TABLE)
def test_threads_do_not_change_a_bit(method):
    alone = bits(explained(method, ROWS, n_jobs=1))
    assert alone == bits(explained(method, ROWS, n_jobs=2)) == bits(explained(method, ROWS, n_jobs=-1))


@pytest.mark.parametrize("method", TABLE)
def test_batches_and_order_do_not_change_a_bit(method):
    together = explained(method, ROWS)
    order = np.array([4, 0, 6, 2, 1, 5, 3])
    turned = explained(method, ROWS[order])
    for i in range(len(ROWS)):
        assert bits(together, slice(i, i + 1)) == bits(explained(method, ROWS[i : i + 1]))
        assert bits(together, slice(order[i], order[i] + 1)) == bits(turned, slice(i, i + 1))


@pytest.mark.parametrize("method", ["shapley", "permutation", "lime"])
def test_the_seed_is_what_changes_a_sample(method):
    assert bits(explained(method, ROWS)) != bits(explained(method, ROWS, random_state=1))


def test_two_processes_agree():
    code = (
        f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
        "import hashlib, test_bits_everywhere as t\n"
        "print(*[hashlib.sha256(t.bits(t.explained(m, t.ROWS))).hexdigest() for m in t.TABLE])"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONDONTWRITEBYTECODE": "1"}
    first = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    environment["PYTHONHASHSEED"] = "1"
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert first.stdout == second.stdout
    assert len(first.stdout.split()) == len(TABLE)


@pytest.mark.parametrize("method", TABLE)
def test_four_threads_share_one_explainer(method):
    make, options = TABLE[method]
    explainer = pellucid.Explainer(make(), BACKGROUND, method=method, **options)
    expected = [bits(explainer(ROWS[i:])) for i in range(4)]
    answers = [None] * 4
    barrier = threading.Barrier(4)

    def work(i):
        barrier.wait()
        for _ in range(3):
            answers[i] = bits(explainer(ROWS[i:]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == expected


def resummed(model, table):
    """Output of the structure, added up in float64."""
    return model.structure_outputs(model.structure.predict(model.encoding.transform(table)))


def test_values_add_up_to_the_float64_sum_in_both_games(any_name, zoo):
    F = zoo.frame(zoo.rows())
    model = as_model(zoo.made(any_name))
    expected = resummed(model, Table.of(F[:40]))
    spread = expected.max() - expected.min()
    games = [{"background": F[50:80]}] + ([] if any_name in ("linear", "logistic") else [{}])
    for options in games:
        explanation = pellucid.explain(zoo.made(any_name), F[:40], **options)
        assert np.abs(explanation.prediction - expected).max() <= 1e-9 * spread
        assert explanation.quality.residual <= explanation.quality.bound


def test_importing_pellucid_costs_little_beyond_numpy():
    def seconds(what):
        best = np.inf
        for _ in range(3):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {what}"], check=True)
            best = min(best, time.perf_counter() - started)
        return best

    assert seconds("pellucid") - seconds("numpy") <= 0.3


def test_importing_the_door_loads_no_library_of_models():
    code = (
        "import sys, pellucid; pellucid.explain, pellucid.Table, pellucid.Explanation\n"
        "print([m for m in ('sklearn', 'scipy', 'pandas', 'altair', 'torch', 'xgboost', 'shap') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
