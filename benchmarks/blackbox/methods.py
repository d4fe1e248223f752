"""Estimators under one signature: task, coalitions per row and seed to values, intervals, overhead and cost."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import pellucid
from benchmarks.blackbox.peers import peer
from benchmarks.blackbox.tasks import BACKGROUND, Task


@dataclass(frozen=True, eq=False)
class Answer:
    """Values (rows, players), half widths of 95 % intervals or None, processor seconds beyond the model, coalitions.

    The coalitions are those of all rows, whatever was evaluated for them included.
    """

    values: Any
    half_width: Any
    overhead: float
    coalitions: float


class Clocked:
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


def ours(estimator: Any, **options: Any) -> Callable[[Task, int, int], Answer]:
    """`method="shapley"`, its fit included; set functions are rows of ones against a background of zeros."""

    def answer(task: Task, budget: int, seed: int) -> Answer:
        asked = (
            [(task.predict, task.rows, task.background)]
            if task.predict is not None
            else [(task.game(row), np.ones((1, task.d)), np.zeros((1, task.d))) for row in range(len(task))]
        )
        how = {"method": pellucid.Shapley(estimator), "budget": budget, "random_state": seed, **options}
        values, errors, overhead, coalitions = [], [], 0.0, 0.0
        for function, rows, background in asked:
            predict = Clocked(function)
            started = time.process_time()
            found = pellucid.explain(predict, rows, background=background, **how)
            overhead += time.process_time() - started - predict.seconds
            coalitions += predict.rows / len(background)
            values.append(found.values[:, :, 0])
            errors.append(np.zeros_like(values[-1]) if found.std_error is None else found.std_error[:, :, 0])
        return Answer(np.concatenate(values), 1.96 * np.concatenate(errors), overhead, coalitions)

    return answer


def shap_kernel(l1_reg: Any) -> Callable[[Task, int, int], Answer]:
    """`shap.KernelExplainer`; its two ends are not counted in nsamples."""

    def answer(task: Task, budget: int, seed: int) -> Answer:
        import shap

        predict = Clocked(task.predict)
        started = time.process_time()
        explainer = shap.KernelExplainer(predict, task.background)
        rows = []
        for row in task.rows:
            np.random.seed(seed)  # noqa: NPY002 - the peer draws from numpy's global generator
            rows.append(explainer.shap_values(row, nsamples=budget - 2, l1_reg=l1_reg, silent=True))
        return Answer(np.array(rows), None, time.process_time() - started - predict.seconds, predict.rows / BACKGROUND)

    return answer


def shap_permutation(task: Task, budget: int, seed: int) -> Answer:
    """`shap.PermutationExplainer`, with as many passes as the budget holds (at least one)."""
    import shap

    masker = shap.maskers.Independent(task.background, max_samples=len(task.background))
    shap.PermutationExplainer(task.predict, masker, seed=seed)(task.rows[:1], silent=True)  # it compiles at first
    predict = Clocked(task.predict)
    started = time.process_time()
    found = shap.PermutationExplainer(predict, masker, seed=seed)(
        task.rows, max_evals=max(budget, 2 * task.d + 1), silent=True
    )
    return Answer(found.values, None, time.process_time() - started - predict.seconds, predict.rows / BACKGROUND)


def shapiq(method: str) -> Callable[[Task, int, int], Answer]:
    """Run an estimator of shapiq on the same games."""

    def answer(task: Task, budget: int, seed: int) -> Answer:
        values, overhead = [], 0.0
        for row in range(len(task)):
            found, seconds = peer().shapley(method, task.game(row), task.d, budget, seed)
            values.append(found)
            overhead += seconds
        return Answer(np.array(values), None, overhead, float(budget * len(task)))

    return answer


SHAPIQ = (
    "shapiq.KernelSHAP paired",
    "shapiq.LeverageSHAP",
    "shapiq.OddSHAP",
    "shapiq.ProxySHAP adjusted",
    "shapiq.PolySHAP order 3",
    "shapiq.kADDSHAP order 3",
)
METHODS: dict[str, Callable[[Task, int, int], Answer]] = {
    "pellucid": ours("auto"),
    "pellucid least_squares": ours("least_squares"),
    "shap.Kernel default": shap_kernel("num_features(10)"),
    "shap.Kernel l1_reg=False": shap_kernel(False),
    "shap.Permutation": shap_permutation,
    **{method: shapiq(method) for method in SHAPIQ},
}

MOST_FEATURES = {"shapiq.PolySHAP order 3": 16, "shapiq.kADDSHAP order 3": 16}
"""Beyond so many features a method has too many terms to be fitted in a benchmark's time."""


def runs(method: str, task: Task) -> bool:
    """Whether a method takes part: shap explains rows of a model, not set functions."""
    return task.d <= MOST_FEATURES.get(method, task.d) and (task.predict is not None or not method.startswith("shap."))


def answer(method: str, task: Task, budget: int, seed: int) -> Answer:
    """Run one method; peers' warnings are theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return METHODS[method](task, budget, seed)
