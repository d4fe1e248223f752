"""Interleaved timing: two pieces of work in turn, so that a machine's drift hits both."""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def one_thread() -> dict[str, str]:
    """Environment variables that keep every library to one thread, in a process that starts with them."""
    return os.environ | ONE_THREAD


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
