"""`python -m benchmarks.nn`: the targets of the wing for networks, cell by cell, into a Markdown table; resumable."""

import argparse
import json
import platform
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter

import torch

from benchmarks.nn import attributions, parts, peers
from benchmarks.nn.measuring import Row

ROOT = Path(__file__).parents[2]
CELLS = ROOT / "build" / "benchmarks-nn"
PAGE = ROOT / "docs" / "benchmarks-nn.md"
WORK: tuple[Callable[[], list[Row]], ...] = (
    *(attributions.invariance, attributions.gradients_for_completeness, attributions.maps_of_all_layers),
    *(attributions.memory, attributions.through_attention, attributions.tokens),
    *(parts.reading_attention, peers.hiding, peers.sensitivity, peers.metrics_of_a_tutorial),
    *(peers.infidelities, peers.pointing),
    *(parts.patching, parts.probing, parts.dissecting, parts.dictionary, parts.viewers, peers.relevance),
)
MARKS = {True: "yes", False: "**no**", None: ""}


def cell(work: Callable[[], list[Row]], *, measure: bool) -> list[Row]:
    """Measure, or read what was measured before; nothing where it was not and shall not be."""
    path = CELLS / f"{work.__name__}.json"
    if not path.exists():
        if not measure:
            return []
        started = perf_counter()
        CELLS.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(work()))
        print(f"{work.__name__}: {perf_counter() - started:.0f} s", flush=True)
    return [Row(*one) for one in json.loads(path.read_text())]


def page(rows: list[Row], missing: list[str]) -> str:
    """The table, how it came about, and what is not in it."""
    lines = [f"| {row.target or ''} | {row.work} | {row.figure} | {row.must} | {MARKS[row.met]} |" for row in rows]
    table = "\n".join(["| target | work | figure | must | met |", "|---|---|---|---|---|", *lines])
    left_out = f"\nNot measured in this run: {', '.join(missing)}.\n" if missing else ""
    return f"{HEAD}\n{machine()}\n\n{table}\n{left_out}{FOOT}"


HEAD = """# Networks beside the peers

Written by `python -m benchmarks.nn`; do not edit by hand. Ratios are of processor seconds of one thread, ours and the
peer's in turn, median of the pairs. A plain forward pass is one of the same rows without gradients. Memory is the peak
of a process of its own beyond a forward pass.
"""
FOOT = """
Where a target is not met the table says so. Target 6 is not met where the network's own work is a large part:
quantus 0.6 asks it in batches, as ours does, and the passes that pixel flipping, max-sensitivity
and infidelity cannot do without take most of our time, even on LeNet, a network of 44,000 parameters. No
implementation that asks as often can be faster than these passes. Of quantus' time in the grid pointing game nearly
all goes into checking what it is given. Infidelity is given the same noise on all sides. What several attributions
have in common is asked once (`faithfulness`), which spares a quarter of the passes for five methods in six steps. What
stands in for hidden words is the mask token; relevance of a word is the sum over its embedding. quantus and zennit
name torchvision's classes as they load; stand-ins are given where it is missing.
"""


def machine() -> str:
    """Say what was measured on what."""
    model = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    found = [f"{model.partition(': ')[2] or model}, {torch.get_num_threads()} thread(s)"]
    found.append(f"Python {platform.python_version()}")
    for package in ("torch", "transformers", "captum", "quantus", "zennit"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    return ", ".join(found) + "."


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def main() -> None:
    """Measure what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=[work.__name__ for work in WORK], help="measure only these")
    parser.add_argument("--measured", action="store_true", help="measure nothing; write the page from what is there")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # the peers' own
    torch.manual_seed(0)
    found = {}
    for work in WORK:
        asked = options.only is None or work.__name__ in options.only
        found[work.__name__] = cell(work, measure=asked and not options.measured)
    missing = [name.replace("_", " ") for name, one in found.items() if not one]
    rows = sorted((row for one in found.values() for row in one), key=lambda row: row.target or 9)
    PAGE.write_text(page(rows, missing))


if __name__ == "__main__":
    main()
