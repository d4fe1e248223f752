"""Progress on long work, to standard error, and only when somebody is watching."""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias, TypeVar

from pellucid._base.errors import InputError

Progress: TypeAlias = bool | Callable[[str, int, int], None] | None
"""None: a bar on a terminal only. True: always. False: never. A callable gets (task, done, total)."""

Item = TypeVar("Item")


def check_progress(progress: Any) -> None:
    """Refuse what is neither a switch nor a function of three arguments.

    Raises
    ------
    InputError
        With what was expected and what came.
    """
    if progress is None or isinstance(progress, bool):
        return
    if callable(progress):
        try:
            inspect.signature(progress).bind("explaining", 1, 1)
        except TypeError:
            pass
        except ValueError:  # a function of another language, which does not say what it takes
            return
        else:
            return
    raise InputError(f"progress must be True, False, None or a function of (task, done, total); got {progress!r:.80}.")


def track(items: Iterable[Item], *, task: str, total: int, progress: Progress) -> Iterator[Item]:
    """Yield `items` and report how many are done."""
    check_progress(progress)
    if callable(progress):
        for done, item in enumerate(items, start=1):
            yield item
            progress(task, done, total)
    elif progress or (progress is None and sys.stderr.isatty()):
        from tqdm import tqdm  # a third party, loaded only for a bar

        yield from tqdm(items, desc=task, total=total, file=sys.stderr, leave=False)
    else:
        yield from items
