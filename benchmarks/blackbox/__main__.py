"""`python -m benchmarks.blackbox [--full]`: every method on every task, resumable, into a table and a chart."""

import argparse
import os
import platform
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.blackbox import tolerance
from benchmarks.blackbox.cells import cell, overheads, stop
from benchmarks.blackbox.methods import METHODS, runs
from benchmarks.blackbox.peers import peer
from benchmarks.blackbox.table import chart, page
from benchmarks.blackbox.tasks import TASKS
from benchmarks.blackbox.tasks import task as subject
from benchmarks.timing import ONE_THREAD, one_thread

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "benchmarks-blackbox.md"
FACTORS = (10, 20, 5, 50, 100, 200)


def factors(d: int) -> list[int]:
    """Budgets in units of d; those that hold every coalition are exact for ours and left out."""
    return [factor for factor in FACTORS if factor * d < 2**d and (factor < 200 or d <= 16)]


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
    ours = "pellucid" in only["method"]
    if not options.measured:
        _measure(_cells(rows, seeds, **only), _stops(seeds, only["task"] if ours else ()), rows)
    if ours:
        overheads(only["task"], measure=not options.measured)
    known = [cell(*one, rows, measure=False) for one in _cells(rows, seeds, FACTORS, TASKS, METHODS)]
    ended = [stop(*one, rows, measure=False) for one in _stops(seeds, TASKS)]
    measured, stops = ([one for one in found if one is not None] for found in (known, ended))
    turns = overheads(TASKS, measure=False)
    PAGE.write_text(page(measured, rows, seeds, versions(), stops=stops, turns=turns))
    chart(measured, PAGE.with_suffix(".svg"))


def _measure(cells: list[tuple[str, str, int, int]], stops: list[tuple[str, float, int]], rows: int) -> None:
    """Measure errors on all cores: they do not depend on time, and what a cell costs is its own processor time."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as workers:
        asked = [workers.submit(cell, *one, rows) for one in cells]
        asked += [workers.submit(stop, *one, rows) for one in stops]
        for one in asked:
            one.result()


def _stops(seeds: int, tasks: Any) -> list[tuple[str, float, int]]:
    """Task, share of the largest value and seed."""
    return [(name, share, seed) for name in tasks for share in tolerance.SHARES for seed in range(seeds)]


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
