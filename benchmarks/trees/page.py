"""The page of results: what was set out, every peer, who disagrees, sizes, memory and threads."""

import json
import math
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.trees.chart import draw
from benchmarks.trees.environment import ROOT
from benchmarks.trees.measure import ratio
from benchmarks.trees.peers import PEERS
from benchmarks.trees.scenarios import OURS, SCENARIOS, Scenario

PAGE = ROOT / "docs" / "benchmarks-trees.md"
PICTURE = ROOT / "docs" / "images" / "benchmarks-trees.svg"
HEAD = """# Tree values beside the peers

Written by `python -m benchmarks.trees`; do not edit by hand.

Measured on {machine}, kernels for {instructions}, load average of the machine while measuring {load}.
{versions}.

Each peer lives in a process of its own and runs in turn with ours, one thread each, float64 rows in. The time is
processor time of the public call on a built explainer; a ratio is the median over the pairs of runs of
(peer's time per row) / (ours per row). Each call of ours also compares its sum with the model's own `predict`: that
time stands beside, and the column "all in" counts it as ours. The best peer is the fastest whose answers are right.

Peers with a cost linear in the rows got fewer rows where all would have taken long; WOODELF, FastTreeSHAP and
CatBoost, which also do work per tree, got all rows or were ended after a minute. `shap` is shap's own kernel (for
XGBoost, LightGBM and CatBoost its path-dependent explainer hands over to the library's built-in, which is measured
under that library's name), with a masker that keeps the whole background. `shapiq kernel` is its compiled kernel on
all rows in one call, which its public explainer makes row by row.

![Ratios to the best peer](images/{picture})
"""
NOTES = """
Model load is building the explainer and explaining one row, since some build lazily. XGBoost's own contributions need
no explainer and are left out there.
"""


def write(folder: Path) -> None:
    """Write the page and its chart from the cells in a folder."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    cells = [one for one in found if "peer" in one]
    alone = {one["scenario"]: one for one in found if "peer" not in one}
    if not alone:
        raise SystemExit("nothing has been measured yet; run without --measured.")
    lines = [_line(key, cells, alone[key]) for key in SCENARIOS if key in alone]
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw(lines))
    parts = [
        _head(found, alone),
        "## What was set out\n\n" + _targets(lines) + NOTES + _missing(cells, alone),
        "## Every peer\n\nRatio of its time to ours, without our check.\n\n" + _peers(cells),
        "## Answers\n\n" + _answers(cells),
        "## Sizes, memory, threads\n\n" + _sizes(alone),
    ]
    PAGE.write_text("\n".join(parts))


def _head(found: list[dict[str, Any]], alone: dict[str, dict[str, Any]]) -> str:
    one = next((each for key, each in alone.items() if not SCENARIOS[key].instructions), next(iter(alone.values())))
    loads = [each["load"] for each in found]
    versions = ", ".join(f"{name} {number}" for name, number in one["versions"].items())
    return HEAD.format(
        machine=_machine(),
        instructions=one["instructions"],
        load=f"{min(loads):.1f} to {max(loads):.1f}",
        versions=f"Python 3.12, {versions}",
        picture=PICTURE.name,
    )


def _machine() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {len(names) or 1} processors, {platform.system()}"


def _line(key: str, cells: list[dict[str, Any]], alone: dict[str, Any]) -> dict[str, Any]:
    """One line of the first table as numbers; times in nanoseconds per row and tree."""
    scenario = SCENARIOS[key]
    mine = [one for one in cells if one["scenario"] == key and "pairs" in one and not _is_wrong(one)]
    best = min(mine, key=ratio, default=None)
    own = _median(run["cpu"] - run["predict_cpu"] for run in alone["runs"])
    predict = _median(run["predict_cpu"] for run in alone["runs"])
    line = {
        "key": key,
        "scenario": scenario,
        "ours": 1e9 * own / alone["own_rows"] / alone["trees"],
        "predict": 1e9 * predict / alone["own_rows"] / alone["trees"],
        "rows": alone["own_rows"],
        "trees": alone["trees"],
        "peer": "",
        "ratio": math.nan,
        "all_in": math.nan,
        "wall": math.nan,
    }
    if best is not None:
        line |= {
            "peer": best["peer"],
            "ratio": ratio(best),
            "all_in": ratio(best, predict=True),
            "wall": ratio(best, "wall"),
        }
    return line


def _median(numbers: Iterable[float]) -> float:
    return float(np.median(list(numbers)))


def _is_wrong(cell: dict[str, Any]) -> bool:
    return cell["peer"] in cell.get("agreement", "")


def _targets(lines: list[dict[str, Any]]) -> str:
    shown = [
        "| scenario | rows | ours, ns/row/tree | predict, ns/row/tree | best peer | ratio | all in | by the wall clock "
        "| must | aim | reached |",
        "|---" * 11 + "|",
    ]
    for line in lines:
        scenario = line["scenario"]
        shown.append(
            f"| {scenario.title} | {line['rows']:,} | {_time(line, 'ours')} | {_time(line, 'predict')} | "
            f"{line['peer']} | {_times(line['ratio'])} | {_times(line['all_in'])} | {_times(line['wall'])} | "
            f"{scenario.must:.0f}x | {scenario.aim:.0f}x | {_reached(scenario, line['ratio'])} |"
        )
    return "\n".join(shown) + "\n"


def _missing(cells: list[dict[str, Any]], alone: dict[str, dict[str, Any]]) -> str:
    """Say which lines were not measured, and which peers of those that were."""
    done = {(cell["scenario"], cell["peer"]) for cell in cells}
    parts = [scenario.title for key, scenario in SCENARIOS.items() if key not in alone]
    for key in alone:
        peers = [peer for peer in SCENARIOS[key].peers if (key, peer) not in done]
        parts += [f"{SCENARIOS[key].title}: {', '.join(peers)}"] if peers else []
    return f"\nNot measured of this code: {'; '.join(parts)}.\n" if parts else ""


def _time(line: dict[str, Any], name: str) -> str:
    """Nanoseconds per row and tree; milliseconds in all where the trees are not the matter."""
    if line["scenario"].work == "load":
        return f"{line[name] * line['trees'] / 1e6:.2f} ms"
    return f"{line[name]:,.0f}"


def _times(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.1f}x" if number < 10 else f"{number:,.0f}x"


def _reached(scenario: Scenario, found: float) -> str:
    if math.isnan(found):
        return ""
    return "aim" if found >= scenario.aim else "must" if found >= scenario.must else "no"


def _peers(cells: list[dict[str, Any]]) -> str:
    names = [name for name in PEERS if name != OURS]
    shown = [f"| scenario | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for key in SCENARIOS:
        mine = {one["peer"]: one for one in cells if one["scenario"] == key}
        if mine:
            shown.append(f"| {SCENARIOS[key].title} | {' | '.join(_peer(mine.get(name)) for name in names)} |")
    return "\n".join(shown) + "\n"


def _peer(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return ""
    if "pairs" not in cell:
        return "too slow" if cell["refused"].startswith("more than") else "refuses"
    cut = f" ({cell['rows']:,} rows)" if cell["rows"] < cell["own_rows"] else ""
    return f"{'wrong, ' if _is_wrong(cell) else ''}{_times(ratio(cell))}{cut}"


def _answers(cells: list[dict[str, Any]]) -> str:
    """Largest difference from ours, and every cell that refused or disagreed in words."""
    compared = [one for one in cells if "agreement" in one]
    agreeing = [one for one in compared if one["agreement"] == "agrees"]
    shown = [
        f"Compared on up to 64 rows in {len(compared)} cells; {len(agreeing)} agree within the peer's precision "
        "(1e-6 of the largest output, 1e-4 for those that compute in float32).\n"
    ]
    for one in cells:
        title = SCENARIOS[one["scenario"]].title
        if one not in agreeing and "agreement" in one:
            shown.append(f"* {title}: {one['peer']}: {one['agreement']}.")
        if "refused" in one:
            shown.append(f"* {title}: {one['peer']} was not measured: {one['refused'].rstrip('.')}.")
    return "\n".join(shown) + "\n"


def _sizes(alone: dict[str, dict[str, Any]]) -> str:
    shown = [
        "Memory is what one call takes beyond what the process holds between calls; two threads beside one by the\n"
        "wall clock, the quickest run of each. Two processes of one thread each, which share nothing, say what the\n"
        "two processors gave in the same minute: others use the machine, too.\n",
        "| scenario | trees | leaves | depth | features on a path | explainer built, ms | memory, MiB | two threads | "
        "two processes |",
        "|---" * 9 + "|",
    ]
    for key, one in ((key, alone[key]) for key in SCENARIOS if key in alone):
        shown.append(
            f"| {SCENARIOS[key].title} | {one['trees']} | {one['leaves']:,} | {one['depth']} | {one['features']} | "
            f"{1e3 * one['built']:.0f} | {one['mib']:.0f} | {one['two']:.2f}x | "
            f"{one['processes']:.2f}x |"
        )
    return "\n".join(shown) + "\n"
