"""Processor time per row beyond the model's own, over a hundred rows, the methods in turn."""

import statistics
import time
import warnings
from typing import Any

import numpy as np

from benchmarks.blackbox.methods import Clocked, ours, shap_kernel
from benchmarks.blackbox.peers import peer
from benchmarks.blackbox.tasks import Task, fitted, marginal

ROWS = 100
FACTOR = 20
TASKS = ("diabetes-xgb", "wine-mlp", "breast_cancer-xgb", "digits-xgb")
PEERS = ("shap.Kernel default", "shap.Kernel l1_reg=False", "shapiq.OddSHAP")
OURS = ("pellucid", "pellucid least_squares")


def overhead(name: str, turn: int) -> dict[str, float]:
    """Milliseconds per row of every method, once each; rows are repeated where there are too few."""
    _, predict, background, rows = fitted(name)
    rows = np.resize(rows, (ROWS, rows.shape[1]))
    d = rows.shape[1]
    task = Task(name, d, np.zeros((ROWS, d)), predict, background, rows, None)
    measured = {
        "pellucid": ours("auto"),
        "pellucid least_squares": ours("least_squares"),
        "shap.Kernel default": shap_kernel("num_features(10)"),
        "shap.Kernel l1_reg=False": shap_kernel(False),
        "shapiq.OddSHAP": _odd_shap,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            method: 1e3 / ROWS * run(task, FACTOR * d, turn).overhead if method != "shapiq.OddSHAP"
            else 1e3 / ROWS * run(task, FACTOR * d, turn)
            for method, run in measured.items()
        }  # fmt: skip


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
    lines = [
        f"| task, {ROWS} rows at {FACTOR}d | {' | '.join(f'{one}, ms' for one in (*OURS, *PEERS))} "
        "| shap.Kernel default / pellucid | / least_squares | OddSHAP / pellucid | / least_squares |",
        "|---" * (len(OURS) + len(PEERS) + 5) + "|",
    ]
    for name in dict.fromkeys(one["task"] for one in cells):
        turns = [one["ms"] for one in cells if one["task"] == name]
        shown = [f"{statistics.median(turn[one] for turn in turns):.1f}" for one in (*OURS, *PEERS)]
        shown += [
            f"{statistics.median(turn[theirs] / turn[mine] for turn in turns):.1f}"
            for theirs in ("shap.Kernel default", "shapiq.OddSHAP")
            for mine in OURS
        ]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"
