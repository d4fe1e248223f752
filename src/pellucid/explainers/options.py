"""The callers' options, checked before anything is computed."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid._base.errors import InputError, UnsupportedRequestError
from pellucid._base.parallel import thread_count
from pellucid._base.progress import check_progress
from pellucid._base.randomness import check_seed, is_whole
from pellucid._base.typing import Names
from pellucid.explainers.base import Question
from pellucid.explanation.explanation import distinct_positions
from pellucid.table import listed


def check_question(question: Question) -> None:
    """Refuse a budget, tolerance, seed, number of threads or progress that is none.

    Raises
    ------
    InputError
        With what was expected and what came.
    """
    budget, tol, progress = question.budget, question.tol, question.progress
    if budget is not None and not (is_whole(budget) and budget >= 1):
        raise InputError(f"budget must be a positive whole number of coalitions per row; got {budget!r:.80}.")
    if tol is not None and not (_is_number(tol) and tol > 0):
        raise InputError(f"tol must be a positive error in units of the output; got {tol!r:.80}.")
    check_seed(question.random_state)
    check_progress(progress)
    thread_count(question.n_jobs)


def check_effect(options: Mapping[str, Any]) -> None:
    """Refuse options of an effect that are none; how large they may be is the effect's own business."""
    for name in ("n_points", "n_bins", "n_bootstrap", "n_rows", "min_rows"):
        if name in options and not (is_whole(options[name]) and 1 <= options[name] <= 1_000_000):
            raise InputError(f"{name} must be a whole number from 1 to 1,000,000; got {options[name]!r:.80}.")
    depth = options.get("max_depth", 0)
    if not (is_whole(depth) and 0 <= depth <= 10):
        raise InputError(f"max_depth must be a whole number from 0 to 10; got {depth!r:.80}.")
    ends = options.get("percentiles", (5.0, 95.0))
    if not isinstance(ends, tuple | list) or len(ends) != 2 or not all(map(_is_number, ends)):
        raise InputError(f"percentiles must be two numbers, such as (5, 95); got {ends!r:.80}.")
    order = options.get("order")
    if order is not None and (isinstance(order, str) or not hasattr(order, "__iter__")):
        raise InputError(f"order must be a list of categories; got {order!r:.80}.")
    check_seed(options.get("random_state", 0))


def check_unused(measure: str, given: Mapping[str, Any]) -> None:
    """Refuse options that would be ignored: whoever passes one expects it to matter."""
    used = [name for name, value in given.items() if value is not None]
    if used:
        raise UnsupportedRequestError(
            f"measure={measure!r} has no use for {', '.join(f'{name}=' for name in used)}: it measures the loss. "
            "Leave it out, or use measure='shapley'."
        )


def _is_number(value: Any) -> bool:
    return is_whole(value) or isinstance(value, float | np.floating)


def check_output(output: Any, outputs: Names) -> None:
    """Refuse outputs that are not there before the work, not after it."""
    if output is not None and not distinct_positions(output, outputs, "output"):
        raise InputError(f"output names no output; pass None for all, or some of: {listed(outputs)}.")
