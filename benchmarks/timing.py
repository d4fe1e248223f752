"""Interleaved timing: two pieces of work in turn, so that a machine's drift hits both."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ratio:
    """Median seconds of both and the median of the ratios peer / ours, pair by pair."""

    ours: float
    peer: float
    ratio: float


def interleaved(
    ours: Callable[[], Any],
    peer: Callable[[], Any],
    repeats: int = 5,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> Ratio:
    """Run both once unmeasured, then in turn."""
    ours()
    peer()
    pairs = [(seconds(ours, clock), seconds(peer, clock)) for _ in range(repeats)]
    return Ratio(
        ours=statistics.median(a for a, _ in pairs),
        peer=statistics.median(b for _, b in pairs),
        ratio=statistics.median(b / a for a, b in pairs),
    )


def seconds(work: Callable[[], Any], clock: Callable[[], float]) -> float:
    started = clock()
    work()
    return clock() - started
