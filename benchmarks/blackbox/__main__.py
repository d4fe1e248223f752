"""`python -m benchmarks.blackbox [--full]`: every method on every task, resumable, into a table and a chart."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.blackbox import overhead, tolerance
from benchmarks.blackbox.methods import METHODS, answer, runs
from benchmarks.blackbox.peers import peer
from benchmarks.blackbox.table import chart, page
from benchmarks.blackbox.tasks import TASKS
from benchmarks.blackbox.tasks import task as subject
from benchmarks.timing import ONE_THREAD, one_thread

ROOT = Path(__file__).parents[2]
CELLS = ROOT / "build" / "benchmarks-blackbox"
PAGE = ROOT / "docs" / "benchmarks-blackbox.md"
FACTORS = (10, 20, 5, 50, 100, 200)


def factors(d: int) -> list[int]:
    """Budgets in units of d; those that hold every coalition are exact for ours and left out."""
    return [factor for factor in FACTORS if factor * d < 2**d and (factor < 200 or d <= 16)]


def kept(label: str, measure: Callable[[], dict[str, Any]] | None) -> dict[str, Any] | None:
    """Measure a cell, or read it where it was measured before; None where it was not and shall not be."""
    path = CELLS / f"{label.replace(' ', '_').replace('=', '_')}.json"
    if path.exists():
        return dict(json.loads(path.read_text()))
    if measure is None:
        return None
    result = measure()
    CELLS.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result))
    print(path.stem, flush=True)
    return result


def cell(name: str, method: str, factor: int, seed: int, rows: int, *, measure: bool = True) -> dict[str, Any] | None:
    """Errors, coverage, overhead and cost of one method on one task."""

    def measured() -> dict[str, Any]:
        asked = subject(name, rows)
        result = {"task": name, "d": asked.d, "method": method, "factor": factor, "seed": seed}
        try:
            found = answer(method, asked, factor * asked.d, seed)
        except RuntimeError as error:  # a peer that refuses a budget is said to refuse
            return result | {
                "error": None,
                "refused": str(error),
                "covered": None,
                "overhead": None,
                "coalitions": None,
            }
        difference = np.abs(found.values - asked.exact)
        return result | {
            "error": ((difference**2).sum(axis=1) / (asked.exact**2).sum(axis=1)).tolist(),
            "covered": None if found.half_width is None else float(np.mean(difference <= found.half_width + 1e-12)),
            "overhead": found.overhead / rows,
            "coalitions": found.coalitions / rows,
        }

    return kept(f"{name}-{method}-{factor}-{seed}-{rows}", measured if measure else None)


def tolerances(tasks: Any, rows: int, seeds: int, *, measure: bool = True) -> list[dict[str, Any]]:
    """Where `tol=` stops, on every task."""
    found = [
        kept(
            f"tol-{name}-{share}-{seed}-{rows}",
            (lambda name=name, share=share, seed=seed: {"task": name, "share": share}
             | tolerance.tolerance(subject(name, rows), share, seed)) if measure else None,
        )
        for name in tasks for share in tolerance.SHARES for seed in range(seeds)
    ]  # fmt: skip
    return [one for one in found if one is not None]


def overheads(tasks: Any, turns: int = 3, *, measure: bool = True) -> list[dict[str, Any]]:
    """Overhead over many rows, the methods in turn."""
    found = [
        kept(
            f"overhead-{name}-{turn}",
            (lambda name=name, turn=turn: {"task": name, "ms": overhead.overhead(name, turn)}) if measure else None,
        )
        for name in overhead.TASKS if name in tasks for turn in range(turns)
    ]  # fmt: skip
    return [one for one in found if one is not None]


def versions() -> str:
    """Say what was measured on what."""
    found = [f"{package} {version(package)}" for package in ("shap", "xgboost-cpu", "scikit-learn")]
    return ", ".join([f"Python {platform.python_version()}", *found, f"shapiq {peer().version} on its own Python"])


def main() -> None:
    """Measure what is missing and write the page, in one thread: overhead is of small arrays, and cores are shared."""
    if not ONE_THREAD.items() <= os.environ.items():  # libraries read these as they load
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.blackbox", *sys.argv[1:]], one_thread())  # noqa: S606
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
    if "pellucid" in only["method"]:
        tolerances(only["task"], rows, seeds, measure=not options.measured)
        overheads(only["task"], measure=not options.measured)
    known = [cell(*one, rows, measure=False) for one in _cells(rows, seeds, FACTORS, TASKS, METHODS)]
    measured = [one for one in known if one is not None]
    stops, turns = tolerances(TASKS, rows, seeds, measure=False), overheads(TASKS, measure=False)
    PAGE.write_text(page(measured, rows, seeds, versions(), stops=stops, turns=turns))
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
