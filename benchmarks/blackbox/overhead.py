"""Processor time per row beyond the model's own, over a hundred rows and over a thousand, the methods in turn."""

import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.blackbox.methods import Answer, Clocked, ours, shap_kernel
from benchmarks.blackbox.peers import peer
from benchmarks.blackbox.tasks import Task, fitted, marginal

ROWS, MANY = 100, 1000
FACTOR = 20
TASKS = ("diabetes-xgb", "wine-mlp", "breast_cancer-xgb", "digits-xgb")
PEERS = ("shap.Kernel default", "shap.Kernel l1_reg=False", "shapiq.OddSHAP")
OURS = ("pellucid", "pellucid, 1,000 rows", "pellucid least_squares")


def overhead(name: str, turn: int) -> dict[str, float]:
    """Milliseconds per row of every method, once each; rows are repeated where there are too few."""
    few, many = _task(name, ROWS), _task(name, MANY)
    measured = {
        "pellucid": (_clocked(ours("auto")), few),
        "pellucid, 1,000 rows": (_clocked(ours("auto")), many),
        "pellucid least_squares": (_clocked(ours("least_squares")), few),
        "shap.Kernel default": (_clocked(shap_kernel("num_features(10)")), few),
        "shap.Kernel l1_reg=False": (_clocked(shap_kernel(False)), few),
        "shapiq.OddSHAP": (_odd_shap, few),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {method: 1e3 / len(task) * run(task, FACTOR * task.d, turn) for method, (run, task) in measured.items()}


def _task(name: str, n_rows: int) -> Task:
    _, predict, background, rows = fitted(name)
    rows = np.resize(rows, (n_rows, rows.shape[1]))
    return Task(name, rows.shape[1], np.zeros(rows.shape), predict, background, rows, None)


def _clocked(method: Callable[[Task, int, int], Answer]) -> Callable[[Task, int, int], float]:
    return lambda task, budget, seed: method(task, budget, seed).overhead


def _odd_shap(task: Task, budget: int, seed: int) -> float:
    """Seconds of shapiq's estimator, and of filling the hidden features for it, which the others do themselves."""
    total = 0.0
    for row in task.rows:
        predict = Clocked(task.predict)
        spent = 0.0

        def game(coalitions: Any, row: Any = row, predict: Clocked = predict) -> Any:
            nonlocal spent
            started = time.process_time()
            found = marginal(predict, row, task.background, coalitions)
            spent += time.process_time() - started
            return found

        _, own = peer().shapley("shapiq.OddSHAP", game, task.d, budget, seed)
        total += own + spent - predict.seconds
    return total


def table(cells: list[dict[str, Any]]) -> str:
    """Medians over turns, and the median of the turns' ratios to ours."""
    theirs = ("shap.Kernel default", "shapiq.OddSHAP")
    ratios = [(other, own) for other in theirs for own in OURS]
    heads = [f"{one}, ms" for one in (*OURS, *PEERS)] + [f"{other} / {own}" for other, own in ratios]
    lines = [f"| task, {FACTOR}d | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name in dict.fromkeys(one["task"] for one in cells):
        turns = [one["ms"] for one in cells if one["task"] == name]
        shown = [f"{statistics.median(turn[one] for turn in turns):.2g}" for one in (*OURS, *PEERS)]
        shown += [f"{statistics.median(turn[other] / turn[own] for turn in turns):.1f}" for other, own in ratios]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"
