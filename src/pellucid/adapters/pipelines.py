"""scikit-learn's Pipeline and searches, explained in the features that enter them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid._base.errors import InputError, UnsupportedModelError
from pellucid._base.typing import Int1
from pellucid.adapters import registry
from pellucid.adapters.origins import MixedColumnsError, Rows, after, is_absent, observe, origins
from pellucid.adapters.reading import Reading, call, feed, fitted_names, fitted_width
from pellucid.table import Table


def read_search(model: Any, reference: Table | None) -> Reading:
    """Read a fitted GridSearchCV or RandomizedSearchCV by its best estimator."""
    if not hasattr(model, "best_estimator_"):
        raise InputError(f"{type(model).__name__} has no best_estimator_. Fit it with refit=True.")
    return registry.read(model.best_estimator_, reference)


def read_pipeline(model: Any, reference: Table | None) -> Reading:
    """Read the last step, and trace the columns it sees back to raw features."""
    steps = [(name, step) for name, step in model.steps[:-1] if not is_absent(step) and hasattr(step, "transform")]
    final = model.steps[-1][1]
    if is_absent(final) or not hasattr(final, "predict"):
        raise UnsupportedModelError("the pipeline ends in a transformer. Pass one whose last step is a model.")
    if not steps:
        return registry.read(final, reference)
    first = steps[0][1]
    names, width = _entry(model, first, reference)
    entry = Reading(label="the pipeline", outputs=(), raw=model.predict, names=names, n_features=width)
    sample = None if reference is None or not len(reference) else feed(reference, entry)

    def encoded(native: Any) -> Any:
        for _, step in steps:
            native = step.transform(native)
        return native

    inner = registry.read(final, None if sample is None else Table.of(call("the pipeline", encoded, sample)))
    probability = inner.probability
    reading = replace(
        inner,
        label=f"Pipeline ending in {inner.label}",
        raw=lambda native: inner.raw(encoded(native)),
        probability=None if probability is None else lambda native: probability(encoded(native)),
        columns=lambda native: inner.columns(encoded(native)),
        names=names,
        n_features=width,
        frames=entry.frames,
    )
    if inner.structure is None:
        return reading
    return _grouped(reading, inner, steps, Rows(n_columns=width or 0, names=names, sample=sample))


def _entry(model: Any, first: Any, reference: Table | None) -> tuple[tuple[str, ...] | None, int | None]:
    """Names and number of the raw features."""
    names = fitted_names(first) or fitted_names(model)
    width = fitted_width(first) or (None if names is None else len(names))
    if width is None and reference is not None:  # a first step that does not validate what it gets
        return (reference.names if reference.named else None), reference.n_columns
    return names, width


def _grouped(reading: Reading, inner: Reading, steps: Sequence[tuple[str, Any]], rows: Rows) -> Reading:
    """Add the groups, or drop the structure with the reason."""
    if not rows.n_columns:
        return reading.without_structure("its first step does not say how many features it takes; pass a background")
    try:
        columns = _chain(steps, rows)
    except MixedColumnsError as error:
        return reading.without_structure(f"{error}, so its columns cannot be given back to single features")
    groups = columns if inner.groups is None else columns[inner.groups]
    wrong = _disproved(reading, groups, rows)
    if wrong:
        return reading.without_structure(wrong)
    return replace(reading, groups=np.asarray(groups, dtype=np.int64))


def _chain(steps: Sequence[tuple[str, Any]], rows: Rows) -> Int1:
    result = np.arange(rows.n_columns)
    for name, step in steps:
        step_origins = origins(step, rows, name)
        result = result[step_origins]
        rows = after(step, rows, len(step_origins))
    return result


def _disproved(reading: Reading, groups: Int1, rows: Rows) -> str:
    """Compare the groups with an experiment on the reference rows; a sentence when they differ."""
    if rows.sample is None:
        return ""
    sample = Table.of(rows.sample)
    if len(sample) < 2:
        return ""
    try:
        seen = observe(reading.columns, sample)
    except MixedColumnsError as error:
        return str(error)
    if len(seen) != len(groups):
        return f"its steps make {len(seen)} columns where {len(groups)} were expected"
    wrong = np.flatnonzero((seen != groups) & (seen != -1))
    if not len(wrong):
        return ""
    name = sample.names[groups[wrong[0]]]
    return f"a column traced to {name!r} also changes with other features"
