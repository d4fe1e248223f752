"""`python -m benchmarks.blackbox [--full]`: every method on every task, resumable, into a Markdown table and a chart."""

import argparse
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.blackbox.methods import METHODS, answer, runs
from benchmarks.blackbox.peers import peer
from benchmarks.blackbox.tasks import TASKS, task

ROOT = Path(__file__).parents[2]
CELLS = ROOT / "build" / "benchmarks-blackbox"
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
    subject = task(name, rows)
    result = {"task": name, "d": subject.d, "method": method, "factor": factor, "seed": seed}
    try:
        found = answer(method, subject, factor * subject.d, seed)
    except RuntimeError as error:  # a peer that refuses a budget is said to refuse
        result |= {"error": None, "refused": str(error), "covered": None, "overhead": None, "coalitions": None}
    else:
        difference = np.abs(found.values - subject.exact)
        result |= {
            "error": ((difference**2).sum(axis=1) / (subject.exact**2).sum(axis=1)).tolist(),
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
    for factor in options.budget or FACTORS:
        for name in options.task or TASKS:
            subject = task(name, rows)
            if factor not in factors(subject.d):
                continue
            for method in options.method or METHODS:
                for seed in range(seeds) if runs(method, subject) else ():
                    cell(name, method, factor, seed, rows, measure=not options.measured)


if __name__ == "__main__":
    main()
