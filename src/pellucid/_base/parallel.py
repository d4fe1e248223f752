"""Threads that cannot change an answer: work is cut the same way whatever their number."""

import numbers
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pellucid._base.errors import InputError

MOST_THREADS = 1024
"""More than this would only be refused by the operating system."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def thread_count(n_jobs: int | None) -> int:
    """Number of threads meant by `n_jobs` (None is 1, -1 is every processor)."""
    if n_jobs is None:
        return 1
    if not isinstance(n_jobs, numbers.Integral) or isinstance(n_jobs, bool) or n_jobs == 0:
        raise InputError(
            "n_jobs must be None, a positive whole number or a negative one (-1 uses every processor); "
            f"got {n_jobs!r:.80}."
        )
    threads = int(n_jobs)
    return min(threads, MOST_THREADS) if threads > 0 else max(1, (os.cpu_count() or 1) + 1 + threads)


def map_ordered(work: Callable[[Item], Result], items: Iterable[Item], n_jobs: int | None = None) -> list[Result]:
    """Apply `work` to every item, in threads, and return the results in the order of the items."""
    threads = thread_count(n_jobs)
    if threads == 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))


def begun(work: Callable[[], Result], n_jobs: int | None = None) -> Callable[[], Result]:
    """Begin `work` beside what follows where there is more than one thread; call what is returned for its result."""
    if thread_count(n_jobs) == 1:
        return work
    with_others = ThreadPoolExecutor(1)
    result = with_others.submit(work).result
    with_others.shutdown(wait=False)
    return result
