"""Progress on long work, to standard error, and only when somebody is watching."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

Progress: TypeAlias = bool | Callable[[str, int, int], None] | None
"""None: a bar on a terminal only. True: always. False: never. A callable gets (task, done, total)."""

Item = TypeVar("Item")


def track(items: Iterable[Item], *, task: str, total: int, progress: Progress) -> Iterator[Item]:
    """Yield `items` and report how many are done."""
    if callable(progress):
        for done, item in enumerate(items, start=1):
            yield item
            progress(task, done, total)
    elif progress or (progress is None and sys.stderr.isatty()):
        from tqdm import tqdm  # a third party, loaded only for a bar

        yield from tqdm(items, desc=task, total=total, file=sys.stderr, leave=False)
    else:
        yield from items
