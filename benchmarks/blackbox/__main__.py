"""`python -m benchmarks.blackbox [--full]`: every method on every task, resumable, into a Markdown table."""

import argparse
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.blackbox.methods import METHODS, answer, runs
from benchmarks.blackbox.table import page
from benchmarks.blackbox.tasks import BACKGROUND, TASKS, task

ROOT = Path(__file__).parents[2]
CELLS = ROOT / "build" / "benchmarks-blackbox"
PAGE = ROOT / "docs" / "benchmarks-blackbox.md"


def factors(d: int) -> list[int]:
    """Budgets in units of d; those that hold every coalition are exact for all and left out."""
    return [f for f in ((5, 10, 20, 50, 100, 200) if d <= 16 else (5, 10, 20, 50, 100)) if f * d < 2**d]


def cell(name: str, method: str, factor: int, seed: int, rows: int, *, measure: bool = True) -> dict[str, Any] | None:
    """Measure one cell, or read it where it was measured before; None where it was not and shall not be."""
    label = f"{name}-{method}-{factor}-{seed}-{rows}".replace(" ", "_").replace("=", "_")
    path = CELLS / f"{label}.json"
    if path.exists():
        return dict(json.loads(path.read_text()))
    if not measure:
        return None
    subject = task(name, rows)
    found = answer(method, subject, factor * subject.d, seed)
    difference = np.abs(found.values - subject.exact)
    result = {
        "task": name, "d": subject.d, "method": method, "factor": factor, "seed": seed,
        "error": ((difference**2).sum(axis=1) / (subject.exact**2).sum(axis=1)).tolist(),
        "covered": None if found.half_width is None else float(np.mean(difference <= found.half_width + 1e-12)),
        "overhead": found.overhead / rows,
        "coalitions": found.model_rows / rows / BACKGROUND,
    }  # fmt: skip
    CELLS.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result))
    print(f"{label}: {np.mean(result['error']):.1e}", flush=True)
    return result


def versions() -> str:
    """Say what was measured on what."""
    found = [f"Python {platform.python_version()}"]
    for package in ("shap", "shapiq", "xgboost-cpu", "scikit-learn"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    return ", ".join(found)


def main() -> None:
    """Measure what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="20 rows and 5 seeds instead of 5 and 2")
    parser.add_argument("--task", action="append", choices=TASKS, help="only these tasks")
    parser.add_argument("--measured", action="store_true", help="measure nothing; write the page from what is there")
    options = parser.parse_args()
    rows, seeds = (20, 5) if options.full else (5, 2)
    cells = [
        cell(name, method, factor, seed, rows, measure=not options.measured)
        for name in options.task or TASKS
        for factor in factors(task(name, rows).d)
        for method in METHODS
        if runs(method, task(name, rows).d)
        for seed in range(seeds)
    ]
    PAGE.write_text(page([one for one in cells if one is not None], rows, seeds, versions()))


if __name__ == "__main__":
    main()
