"""Whether `tol=` keeps its word: the true error of each row where it stopped, beside the tolerance."""

from typing import Any

import numpy as np

from benchmarks.blackbox.methods import ours
from benchmarks.blackbox.tasks import Task

SHARES = (0.1, 0.02)
"""Tolerances, in units of the largest value of the task's median row."""
MOST = 100
"""Coalitions per row at most, in units of the number of players."""


def tolerance(task: Task, share: float, seed: int) -> dict[str, Any]:
    """Largest error of every row in units of the tolerance, and coalitions per row."""
    tol = share * float(np.median(np.abs(task.exact).max(axis=1)))
    budget = min(MOST * task.d, 2**task.d - 1)
    found = ours("auto", tol=tol)(task, budget, seed)
    error = np.abs(found.values - task.exact).max(axis=1) / tol
    return {"error": error.tolist(), "coalitions": found.coalitions / len(task)}


def table(cells: list[dict[str, Any]]) -> str:
    """One line for each task, and one for all rows together."""
    lines = [
        "| task | " + " | ".join(f"error ≤ tol, tol {100 * share:g} % | coalitions per row" for share in SHARES) + " |",
        "|---" * (1 + 2 * len(SHARES)) + "|",
    ]
    for name in [*dict.fromkeys(one["task"] for one in cells), None]:
        columns = []
        for share in SHARES:
            some = [one for one in cells if one["share"] == share and name in (None, one["task"])]
            within = np.concatenate([one["error"] for one in some]) <= 1.0
            spent = f"{np.mean([one['coalitions'] for one in some]):.0f}" if name else ""
            columns += [f"{100 * np.mean(within):.1f} %", spent]
        lines.append(f"| {name or '**all rows**'} | {' | '.join(columns)} |")
    return "\n".join(lines) + "\n"
