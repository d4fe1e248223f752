"""`python -m benchmarks.trees [--quick]`: every scenario beside every peer, resumable, into a table and a chart."""

import argparse
from pathlib import Path

from benchmarks.trees import environment, measure
from benchmarks.trees.page import write
from benchmarks.trees.scenarios import SCENARIOS


def main() -> None:
    """Measure what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="at most 64 rows, 2 pairs of runs; writes no page")
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="only these lines of the table")
    parser.add_argument("--measured", action="store_true", help="measure nothing; write the page from what is there")
    options = parser.parse_args()
    folder = environment.HOME / ("quick" if options.quick else "cells")
    if not options.measured:
        run(folder, options.only or list(SCENARIOS), measure.QUICK if options.quick else measure.Effort())
    if not options.quick:
        write(folder)


def run(folder: Path, keys: list[str], effort: measure.Effort) -> None:
    """Measure every cell that was not measured of these sources."""
    environment.ready()
    stamp = environment.sources()
    for key in keys:
        for peer in SCENARIOS[key].peers:
            measure.cell(folder, key, peer, effort, stamp)
        measure.alone(folder, key, effort, stamp)


if __name__ == "__main__":
    main()
