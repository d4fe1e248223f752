"""Processor time of two pieces of work in turn, and what one measurement says."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from benchmarks import timing
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
    return timing.seconds(work, time.process_time)


def interleaved(ours: Callable[[], Any], peer: Callable[[], Any], repeats: int = 3) -> Ratio:
    """Run both once unmeasured, then in turn, in processor seconds of one thread.

    Of several threads the one that waits for the others spins, and its spinning would count as work.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return timing.interleaved(ours, peer, repeats, clock=time.process_time)
    finally:
        torch.set_num_threads(threads)
