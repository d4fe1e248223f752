"""Processor time of two pieces of work in turn, and what one measurement says."""

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.timing import Ratio


class Row(NamedTuple):
    """One line of the table."""

    target: int
    work: str
    figure: str
    must: str = ""
    met: bool | None = None


def cpu_seconds(work: Callable[[], Any]) -> float:
    """Processor seconds of all threads, which other work on the machine moves little."""
    started = time.process_time()
    work()
    return time.process_time() - started


def interleaved(ours: Callable[[], Any], peer: Callable[[], Any], repeats: int = 3) -> Ratio:
    """Run both once unmeasured, then in turn."""
    ours()
    peer()
    pairs = [(cpu_seconds(ours), cpu_seconds(peer)) for _ in range(repeats)]
    return Ratio(
        ours=statistics.median(a for a, _ in pairs),
        peer=statistics.median(b for _, b in pairs),
        ratio=statistics.median(b / a for a, b in pairs),
    )
