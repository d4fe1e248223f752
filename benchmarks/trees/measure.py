"""One cell: ours and one peer in turn, each in its own living process, answers compared first."""

import json
import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.trees.crew import Crew, RefusedError, TooSlowError
from benchmarks.trees.peers import PRECISION, USUAL
from benchmarks.trees.scenarios import NOT_LINEAR, OURS, SCENARIOS

SHORTEST = 0.03
"""Seconds below which a measurement is made of several calls."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long to measure.

    Parameters
    ----------
    repeats : int
        Pairs of runs whose ratios' median counts.
    run : float
        Seconds that one run of a peer with a cost linear in rows should take; it gets fewer rows for it.
    limit : float
        Seconds after which a peer is ended.
    cell : float
        Seconds of a cell after which no further pair is begun.
    checked : int
        Rows whose answers are compared.
    most_rows : int
        Cap on all rows.
    """

    repeats: int = 5
    run: float = 2.0
    limit: float = 60.0
    cell: float = 60.0
    checked: int = 64
    most_rows: int = 1_000_000


QUICK = Effort(repeats=2, run=0.3, limit=20.0, cell=5.0, checked=8, most_rows=64)


def cell(folder: Path, key: str, peer: str, effort: Effort, stamp: str) -> dict[str, Any]:
    """Measure ours beside one peer, or read what was measured before of the same sources."""
    return _kept(folder, f"{key}-{peer}", stamp, lambda: _beside(key, peer, effort))


def alone(folder: Path, key: str, effort: Effort, stamp: str) -> dict[str, Any]:
    """Measure ours with one thread and with two, our memory, and the sizes of the model."""
    return _kept(folder, f"{key}-alone", stamp, lambda: _alone(key, effort))


def _kept(folder: Path, name: str, stamp: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    path = folder / f"{name.replace(' ', '_')}.json"
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text())
        if found["stamp"] == stamp:
            return found
    result = {"stamp": stamp, "load": os.getloadavg()[0], **measure()}
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result))
    print(f"{name}: {result.get('refused') or summary(result)}", flush=True)
    return result


def summary(result: dict[str, Any]) -> str:
    """One line for whoever waits."""
    if "pairs" not in result:
        return f"{result['mib']:.0f} MiB, two threads {result['two']:.2f}x, two processes {result['processes']:.2f}x"
    return f"{ratio(result):.1f}x over {result['peer']}, {result['agreement']}"


def ratio(result: dict[str, Any], clock: str = "cpu", *, predict: bool = False) -> float:
    """Median over the pairs of theirs / ours per row, without our check against predict unless asked for."""
    theirs, ours = result["rows"], result["own_rows"]
    found = [
        (other[clock] / theirs) / ((own[clock] - (0 if predict else own[f"predict_{clock}"])) / ours)
        for own, other in result["pairs"]
    ]
    return float(np.median(found)) if found else math.nan


def _beside(key: str, peer: str, effort: Effort) -> dict[str, Any]:
    rows = min(SCENARIOS[key].rows, effort.most_rows)
    result: dict[str, Any] = {"scenario": key, "peer": peer, "own_rows": rows}
    with Crew(OURS) as ours, Crew(peer) as theirs:
        ours.ask("build", scenario=key, peer=OURS, limit=10 * effort.limit)
        try:
            result["built"] = theirs.ask("build", scenario=key, peer=peer, limit=effort.limit)["built"]
            result |= _agreement(ours, theirs, peer, min(rows, effort.checked), effort)
            theirs_rows = _rows_for(theirs, peer, rows, effort)
            result["rows"] = theirs_rows
            result["pairs"] = _pairs(ours, rows, theirs, theirs_rows, effort)
            result["mib"] = theirs.ask("memory", rows=theirs_rows, limit=effort.limit)["mib"]
        except (RefusedError, TooSlowError) as stop:
            result["refused"] = str(stop)
    return result


def _rows_for(theirs: Crew, peer: str, rows: int, effort: Effort) -> int:
    """All rows, or fewer where the cost is linear in rows and all would take too long."""
    if peer in NOT_LINEAR or rows == 1:
        return rows
    some = min(rows, 8)
    one = theirs.ask("run", rows=some, calls=1, limit=effort.limit)["wall"] / some
    return int(np.clip(effort.run / one, 1, rows))


def _pairs(ours: Crew, own_rows: int, theirs: Crew, rows: int, effort: Effort) -> list[Any]:
    own_calls, own_first = _calls(ours, own_rows, effort)
    calls, first = _calls(theirs, rows, effort)
    lasts = own_calls * own_first + calls * first
    repeats = int(np.clip(effort.cell / lasts, 1, effort.repeats))
    return [
        (
            ours.ask("run", rows=own_rows, calls=own_calls, limit=effort.limit),
            theirs.ask("run", rows=rows, calls=calls, limit=effort.limit),
        )
        for _ in range(repeats)
    ]


def _calls(worker: Crew, rows: int, effort: Effort) -> tuple[int, float]:
    """Warm up, and say how many calls make a measurement and what one takes."""
    first = worker.ask("run", rows=rows, calls=1, limit=effort.limit)["wall"]
    return max(1, math.ceil(SHORTEST / first)), first


def _agreement(ours: Crew, theirs: Crew, peer: str, rows: int, effort: Effort) -> dict[str, Any]:
    """Compare the answers; where they differ, the model's own output says whose values do not add up."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for worker in (ours, theirs):
            path = f"{folder}/{worker.name.replace(' ', '_')}.npz"
            worker.ask("answer", rows=rows, path=path, limit=effort.limit)
            with np.load(path) as archive:
                found.append({name: archive[name] for name in archive.files})
    own, other = found
    scale = max(1.0, float(np.abs(own["own"]).max()))
    base = own["base"] if np.isnan(other["base"]).any() else other["base"]
    difference = (
        np.abs(own["values"] - other["values"]).max() if own["values"].shape == other["values"].shape else np.inf
    )
    gaps = [_gap(own["values"], own["base"], own["own"]), _gap(other["values"], base, own["own"])]
    tolerance = PRECISION.get(peer, USUAL) * scale
    return {
        "difference": float(difference),
        "gaps": gaps,
        "agreement": _verdict(float(difference), gaps, tolerance, peer),
    }


def _gap(values: Any, base: Any, output: Any) -> float:
    """Largest distance of the values' sum from the model's own output."""
    axes = tuple(range(1, values.ndim))
    return float(np.abs(values.sum(axis=axes) + base - output).max())


def _verdict(difference: float, gaps: list[float], tolerance: float, peer: str) -> str:
    if difference <= tolerance:
        return "agrees"
    # XGBoost and CatBoost add leaves in float32; 1e-3 is far beyond that and far below any leaf.
    wrong = [
        f"{name} does not add up to the model's output (off by {gap:.2g})"
        for name, gap in zip((OURS, peer), gaps, strict=True)
        if not gap <= max(tolerance, 1e-3)
    ]
    return " and ".join(wrong) or f"differs by {difference:.2g}; both add up"


def _alone(key: str, effort: Effort) -> dict[str, Any]:
    rows = min(SCENARIOS[key].rows, effort.most_rows)
    with Crew(OURS) as one, Crew(OURS) as twin, Crew(OURS) as two:
        limit = 10 * effort.limit
        built = one.ask("build", scenario=key, peer=OURS, limit=limit)["built"]
        twin.ask("build", scenario=key, peer=OURS, limit=limit)
        two.ask("build", scenario=key, peer=OURS, threads=2, limit=limit)
        runs, quickest = _quickest(one, twin, two, rows, effort)
        return {
            "scenario": key,
            "own_rows": rows,
            "built": built,
            "runs": runs,
            "two": quickest["one"] / quickest["two"],
            "processes": 2 * quickest["one"] / quickest["processes"],
            "mib": one.ask("memory", rows=rows, limit=limit)["mib"],
            **one.ask("describe", limit=limit),
        }


def _quickest(one: Crew, twin: Crew, two: Crew, rows: int, effort: Effort) -> tuple[list[Any], dict[str, float]]:
    """Runs of one thread, and the quickest of these, of two threads, and of two processes side by side.

    What two processes do that share nothing says what the machine's processors give at that time.
    """
    for worker in (twin, two):
        _calls(worker, rows, effort)
    calls, first = _calls(one, rows, effort)
    limit, runs = effort.limit, []
    spent: dict[str, list[float]] = {"one": [], "two": [], "processes": []}
    for _ in range(int(np.clip(effort.cell / (3 * calls * first), 1, 9 * effort.repeats))):
        runs.append(one.ask("run", rows=rows, calls=calls, limit=limit))
        spent["one"].append(_own(runs[-1]))
        spent["two"].append(_own(two.ask("run", rows=rows, calls=calls, limit=limit)))
        for worker in (one, twin):
            worker.begin("run", rows=rows, calls=calls)
        spent["processes"].append(max(_own(worker.reply("run", limit=limit)) for worker in (one, twin)))
    return runs, {name: min(seconds) for name, seconds in spent.items()}


def _own(run: dict[str, float]) -> float:
    return run["wall"] - run["predict_wall"]
