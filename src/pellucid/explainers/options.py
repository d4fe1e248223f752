"""What the doors' options may be: checked before anything is computed."""

from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.parallel import thread_count
from pellucid._base.typing import Names
from pellucid.explainers.base import Question
from pellucid.explanation.explanation import distinct_positions
from pellucid.table import listed


def check_options(question: Question) -> None:
    """Refuse what is no option before anything is computed."""
    budget, tol, seed, progress = question.budget, question.tol, question.random_state, question.progress
    if budget is not None and not (is_whole(budget) and budget >= 1):
        raise InputError(f"budget must be a positive whole number of coalitions per row; got {budget!r:.80}.")
    is_number = isinstance(tol, int | float | np.integer | np.floating) and not isinstance(tol, bool)
    if tol is not None and not (is_number and tol > 0):
        raise InputError(f"tol must be a positive error in units of the output; got {tol!r:.80}.")
    if not is_whole(seed):
        raise InputError(
            f"random_state must be a whole number, so that the answer can be made again; got {seed!r:.80}."
        )
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise InputError(
            f"progress must be True, False, None or a function of (task, done, total); got {progress!r:.80}."
        )
    thread_count(question.n_jobs)


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, and no truth value."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_output(output: Any, outputs: Names) -> None:
    """Refuse outputs that are not there before the work, not after it."""
    if output is not None and not distinct_positions(output, outputs, "output"):
        raise InputError(f"output names no output; pass None for all, or some of: {listed(outputs)}.")
