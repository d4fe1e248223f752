"""`python -m benchmarks.blackbox [--full]`: every method on every task, resumable, into a table and a chart."""

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.blackbox.methods import METHODS, answer, runs
from benchmarks.blackbox.peers import peer
from benchmarks.blackbox.table import chart, page
from benchmarks.blackbox.tasks import TASKS
from benchmarks.blackbox.tasks import task as subject

ROOT = Path(__file__).parents[2]
CELLS = ROOT / "build" / "benchmarks-blackbox"
PAGE = ROOT / "docs" / "benchmarks-blackbox.md"
FACTORS = (10, 20, 5, 50, 100, 200)


def factors(d: int) -> list[int]:
    """Budgets in units of d; those that hold every coalition are exact for ours and left out."""
    return [factor for factor in FACTORS if factor * d < 2**d and (factor < 200 or d <= 16)]


def cell(name: str, method: str, factor: int, seed: int, rows: int, *, measure: bool = True) -> dict[str, Any] | None:
    """Measure one cell, or read it where it was measured before; None where it was not and shall not be."""
    label = f"{name}-{method}-{factor}-{seed}-{rows}".replace(" ", "_").replace("=", "_")
    path = CELLS / f"{label}.json"
    if path.exists():
        return dict(json.loads(path.read_text()))
    if not measure:
        return None
    asked = subject(name, rows)
    result = {"task": name, "d": asked.d, "method": method, "factor": factor, "seed": seed}
    try:
        found = answer(method, asked, factor * asked.d, seed)
    except RuntimeError as error:  # a peer that refuses a budget is said to refuse
        result |= {"error": None, "refused": str(error), "covered": None, "overhead": None, "coalitions": None}
    else:
        difference = np.abs(found.values - asked.exact)
        result |= {
            "error": ((difference**2).sum(axis=1) / (asked.exact**2).sum(axis=1)).tolist(),
            "covered": None if found.half_width is None else float(np.mean(difference <= found.half_width + 1e-12)),
            "overhead": found.overhead / rows,
            "coalitions": found.coalitions / rows,
        }
    CELLS.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result))
    print(f"{label}: {np.mean(result['error']):.1e}" if result["error"] else f"{label}: refused", flush=True)
    return result


def versions() -> str:
    """Say what was measured on what."""
    found = [f"{package} {version(package)}" for package in ("shap", "xgboost-cpu", "scikit-learn")]
    return ", ".join([f"Python {platform.python_version()}", *found, f"shapiq {peer().version} on its own Python"])


def main() -> None:
    """Measure what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="20 rows and 5 seeds instead of 5 and 2")
    parser.add_argument("--task", action="append", choices=TASKS, help="only these tasks")
    parser.add_argument("--method", action="append", choices=METHODS, help="only these methods")
    parser.add_argument("--budget", action="append", type=int, choices=FACTORS, help="only these budgets, in d")
    parser.add_argument("--measured", action="store_true", help="measure nothing; write the page from what is there")
    options = parser.parse_args()
    rows, seeds = (20, 5) if options.full else (5, 2)
    only = {"budget": options.budget or FACTORS, "task": options.task or TASKS, "method": options.method or METHODS}
    for one in _cells(rows, seeds, **only):
        cell(*one, rows, measure=not options.measured)
    known = [cell(*one, rows, measure=False) for one in _cells(rows, seeds, FACTORS, TASKS, METHODS)]
    measured = [one for one in known if one is not None]
    PAGE.write_text(page(measured, rows, seeds, versions()))
    chart(measured, PAGE.with_suffix(".svg"))


def _cells(rows: int, seeds: int, budget: Any, task: Any, method: Any) -> list[tuple[str, str, int, int]]:
    """Task, method, budget and seed of every cell, the budgets that are asked about first."""
    return [
        (name, one, factor, seed)
        for factor in budget
        for name in task
        if factor in factors(subject(name, rows).d)
        for one in method
        if runs(one, subject(name, rows))
        for seed in range(seeds)
    ]


if __name__ == "__main__":
    main()
