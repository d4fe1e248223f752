"""Threads that cannot change an answer: work is cut the same way whatever their number."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pellucid._base.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")


def thread_count(n_jobs: int | None) -> int:
    """Number of threads meant by `n_jobs` (None is 1, -1 is every processor)."""
    if n_jobs is None:
        return 1
    if n_jobs == 0:
        raise InputError("n_jobs must be None, a positive number or negative (-1 uses every processor); got 0.")
    return n_jobs if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + n_jobs)


def map_ordered(work: Callable[[Item], Result], items: Iterable[Item], n_jobs: int | None = None) -> list[Result]:
    """Apply `work` to every item, in threads, and return the results in the order of the items."""
    threads = thread_count(n_jobs)
    if threads == 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))
