"""Estimators under one signature: task, coalitions per row and seed to values, intervals, overhead and cost."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

import pellucid
from benchmarks.blackbox.tasks import Task


@dataclass(frozen=True, eq=False)
class Answer:
    """Values (rows, players), half widths of 95 % intervals or None, processor seconds beyond the model, model rows."""

    values: Any
    half_width: Any
    overhead: float
    model_rows: int


class _Clocked:
    """A predict function that counts its rows and its seconds.

    It has no attribute `predict`: that would make it a model, whose method is called past the clock.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function, self.seconds, self.rows = function, 0.0, 0

    def __call__(self, X: Any) -> Any:
        started = time.process_time()
        found = self._function(np.asarray(X))
        self.seconds += time.process_time() - started
        self.rows += len(X)
        return found


def _clocked(task: Task, explain: Callable[[_Clocked], tuple[Any, Any]]) -> Answer:
    predict = _Clocked(task.predict)
    started = time.process_time()
    values, half_width = explain(predict)
    return Answer(values, half_width, time.process_time() - started - predict.seconds, predict.rows)


def ours(estimator: Any) -> Callable[[Task, int, int], Answer]:
    """`method="shapley"`, its fit included."""

    def answer(task: Task, budget: int, seed: int) -> Answer:
        def explain(predict: _Clocked) -> tuple[Any, Any]:
            found = pellucid.explain(
                predict,
                task.rows,
                background=task.background,
                method=pellucid.Shapley(estimator),
                budget=budget,
                random_state=seed,
            )
            error = None if found.std_error is None else 1.96 * found.std_error[:, :, 0]
            return found.values[:, :, 0], error

        return _clocked(task, explain)

    return answer


def shap_kernel(l1_reg: Any) -> Callable[[Task, int, int], Answer]:
    """`shap.KernelExplainer`; its two ends are not counted in nsamples."""

    def answer(task: Task, budget: int, seed: int) -> Answer:
        import shap

        def explain(predict: _Clocked) -> tuple[Any, Any]:
            explainer = shap.KernelExplainer(predict, task.background)
            rows = []
            for row in task.rows:
                np.random.seed(seed)  # noqa: NPY002 - the peer draws from numpy's global generator
                rows.append(explainer.shap_values(row, nsamples=budget - 2, l1_reg=l1_reg, silent=True))
            return np.array(rows), None

        return _clocked(task, explain)

    return answer


def shap_permutation(task: Task, budget: int, seed: int) -> Answer:
    """`shap.PermutationExplainer`, with as many passes as the budget holds (at least one)."""
    import shap

    def explain(predict: _Clocked) -> tuple[Any, Any]:
        masker = shap.maskers.Independent(task.background, max_samples=len(task.background))
        explainer = shap.PermutationExplainer(predict, masker, seed=seed)
        found = explainer(task.rows, max_evals=max(budget, 2 * task.d + 1), silent=True)
        return found.values, None

    return _clocked(task, explain)


def shapiq_of(name: str, **options: Any) -> Callable[[Task, int, int], Answer]:
    """Run an approximator of shapiq on the same game, all coalitions of a call in one predict."""

    def answer(task: Task, budget: int, seed: int) -> Answer:
        import shapiq.approximator as approximators

        def explain(predict: _Clocked) -> tuple[Any, Any]:
            empty = float(np.mean(predict(task.background)))
            rows = []
            for row in task.rows:
                approximator = getattr(approximators, name)(n=task.d, random_state=seed, **options)
                found = approximator.approximate(budget, _game(predict, row, task.background, empty))
                rows.append(found.get_n_order_values(1))
            return np.array(rows), None

        return _clocked(task, explain)

    return answer


def _game(predict: _Clocked, row: Any, background: Any, empty: float) -> Callable[[Any], Any]:
    def value(coalitions: Any) -> Any:
        shown = np.asarray(coalitions, dtype=bool)
        found = np.empty(len(shown))
        step = max(1, (1 << 16) // len(background))
        for first in range(0, len(shown), step):
            some = shown[first : first + step]
            filled = np.where(some[:, None, :], row, background)
            outputs = predict(filled.reshape(-1, background.shape[1]))
            found[first : first + step] = outputs.reshape(len(some), -1).mean(axis=1)
        return found - empty

    return value


METHODS: dict[str, Callable[[Task, int, int], Answer]] = {
    "pellucid": ours("auto"),
    "pellucid least_squares": ours("least_squares"),
    "shap.Kernel default": shap_kernel("num_features(10)"),
    "shap.Kernel l1_reg=False": shap_kernel(False),
    "shap.Permutation": shap_permutation,
}
if find_spec("shapiq"):
    METHODS["shapiq.KernelSHAP paired"] = shapiq_of("KernelSHAP", pairing_trick=True)
    METHODS["shapiq.kADDSHAP order 3"] = shapiq_of("kADDSHAP", max_order=3, pairing_trick=True)

MOST_FEATURES = {"shapiq.kADDSHAP order 3": 16}
"""Beyond so many features a method has too many terms to be fitted in a benchmark's time."""


def runs(method: str, d: int) -> bool:
    """Whether a method takes part on d features."""
    return d <= MOST_FEATURES.get(method, d)


def answer(method: str, task: Task, budget: int, seed: int) -> Answer:
    """Run one method; peers' warnings are theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return METHODS[method](task, budget, seed)
