"""Cells of the tables: each measured once, and read from its file after that."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.blackbox import overhead, tolerance
from benchmarks.blackbox.methods import answer
from benchmarks.blackbox.tasks import task as subject

CELLS = Path(__file__).parents[2] / "build" / "benchmarks-blackbox"


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


def stop(name: str, share: float, seed: int, rows: int, *, measure: bool = True) -> dict[str, Any] | None:
    """Where `tol=` stops on one task."""

    def measured() -> dict[str, Any]:
        return {"task": name, "share": share} | tolerance.tolerance(subject(name, rows), share, seed)

    return kept(f"tol-{name}-{share}-{seed}-{rows}", measured if measure else None)


def overheads(tasks: Any, turns: int = 3, *, measure: bool = True) -> list[dict[str, Any]]:
    """Overhead over many rows, the methods in turn; turns of a task lie apart, so that no busy minute has them all."""
    found = [
        kept(
            f"overhead-{name}-{turn}",
            (lambda name=name, turn=turn: {"task": name, "ms": overhead.overhead(name, turn)}) if measure else None,
        )
        for turn in range(turns) for name in overhead.TASKS if name in tasks
    ]  # fmt: skip
    return [one for one in found if one is not None]
