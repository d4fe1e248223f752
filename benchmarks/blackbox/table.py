"""The page of results: errors beside the peers, coverage, overhead; and the chart."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.blackbox import overhead, tolerance

OURS = "pellucid"
EXACT = 2.0**-46
"""Relative squared errors below it are rounding of single precision: they count as this much."""
COLOURS = (
    *("#000000", "#8c8c8c"),
    *("#e45756", "#72b7b2", "#54a24b", "#eeca3b", "#b279a2", "#ff9da6", "#9d755d", "#4c78a8", "#f58518"),
)
"""Of the methods in the order of their names: black and grey are ours."""
HEAD = """# Black-box Shapley values beside the peers

Written by `python -m benchmarks.blackbox --full`; do not edit by hand. Games with known exact values (tree ensembles
by the exact tree kernel, the others by enumeration), {rows} rows, {seeds} seeds, 100 background rows where there are
any. {versions}.

The budget is coalitions per explained row, in units of the number of players d; budgets that hold all coalitions are
exact for ours and left out. `pellucid` is `Shapley("auto")`, `pellucid least_squares` the default. The first six tasks
are models of tables. `digits_blocks-mlp` hides blocks of pixels behind 100 other images, `image-svm` superpixels behind
the image's mean, `text-mlp` deletes words; in these three every row is a game by itself, and ours fits its
hyper-parameters to that row alone. shapiq's estimators ask for coalitions of the same games.

On the models of tables ours also plays four background rows once to fit its hyper-parameters, on 128 + d pairs each;
the errors leave that out of the budget, the table of costs counts it ({rows} rows share one fit). shap explains models,
not set functions. A cell that is empty was not measured. The design of the pairs and the degrees of freedom were chosen
on models of other, synthetic data; the priors and their weights were not (see [odd-gp.md](odd-gp.md)).

![Error at budget](benchmarks-blackbox.svg)
"""

TOLERANCE = """## Where `tol=` stops

`Shapley("auto")` with `tol=` and at most {most}d coalitions per row; tol in percent of the largest value of the task's
median row. Rows whose largest true error is at most tol, those that did not get there within the budget
included; and the coalitions they took.

"""
OVERHEAD = """## Overhead

Processor milliseconds per row beyond the model's own over 100 rows, medians of turns; everything is included that is
done once for all rows, and filling the hidden features. The ratios are taken turn by turn. `pellucid` fits once what
all rows share, so over 1,000 rows it takes less for each; the peers' rows share next to nothing.

"""


def page(
    cells: list[dict[str, Any]],
    rows: int,
    seeds: int,
    versions: str,
    *,
    stops: list[dict[str, Any]],
    turns: list[dict[str, Any]],
) -> str:
    """Write everything: errors at budgets, where `tol=` stopped, and overhead in turns."""
    cells = [one for one in cells if one["error"] is not None]
    methods = list(dict.fromkeys(one["method"] for one in cells))
    parts = [HEAD.format(rows=rows, seeds=seeds, versions=versions)]
    parts.append(
        "## Relative squared error\n\nMean over rows and seeds of ‖φ̂ - φ‖² / ‖φ‖²; the best is bold.\n\n"
        + _errors(cells, methods)
    )
    parts.append(
        "## Summary\n\nRatios to the best peer of each cell; errors below "
        f"{EXACT:.1e} are rounding of single precision and count as that.\n\n" + _summary(cells, methods)
    )
    if stops:
        parts.append(TOLERANCE.format(most=tolerance.MOST) + tolerance.table(stops))
    if turns:
        parts.append(OVERHEAD + overhead.table(turns))
    parts.append("## Cost\n\n" + _overhead(cells, methods))
    return "\n".join(parts)


def chart(cells: list[dict[str, Any]], path: Path) -> None:
    """Draw error against budget, one panel for each task."""
    import altair as alt
    import pandas as pd

    frame = pd.DataFrame(
        [
            {"task": one["task"], "budget": one["factor"], "method": one["method"], "error": np.mean(one["error"])}
            for one in cells
            if one["error"] is not None and np.mean(one["error"]) < 1.0
        ]
    )
    methods = sorted(frame["method"].unique())  # ours come first
    panel = (
        alt.Chart(frame, width=210, height=150)
        .mark_line(point=True)
        .encode(
            alt.X("budget:Q", title="coalitions per row / d")
            .scale(type="log", domain=[4, 250])
            .axis(values=[5, 10, 20, 50, 100, 200], grid=False),
            alt.Y("mean(error):Q", title="relative squared error")
            .scale(type="log", domainMin=EXACT, clamp=True)
            .axis(values=[1e-1, 1e-4, 1e-7, 1e-10, 1e-13], format=".0e"),
            alt.Color("method:N", title=None).scale(domain=methods, range=COLOURS[: len(methods)]),
            alt.Facet("task:N", columns=3, title=None),
        )
    )
    panel.save(path)


def _pick(cells: list[dict[str, Any]], key: str, **where: Any) -> list[Any]:
    return [one[key] for one in cells if all(one[name] == value for name, value in where.items())]


def _mean(found: list[Any]) -> float:
    return float(np.mean(found)) if found else np.nan


def _keys(cells: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    return sorted(
        dict.fromkeys((one["task"], one["d"], one["factor"]) for one in cells), key=lambda key: (key[0], key[2])
    )


def _errors(cells: list[dict[str, Any]], methods: list[str]) -> str:
    lines = [f"| task | budget | {' | '.join(methods)} |", "|---" * (len(methods) + 2) + "|"]
    for name, d, factor in _keys(cells):
        found = [_mean(_pick(cells, "error", task=name, factor=factor, method=one)) for one in methods]
        shown = [
            "" if np.isnan(one) else f"**{one:.1e}**" if one == np.nanmin(found) else f"{one:.1e}" for one in found
        ]
        lines.append(f"| {name}, d={d} | {factor}d | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def _summary(cells: list[dict[str, Any]], methods: list[str]) -> str:
    """Ratios to the best peer of each cell, and the coverage of the intervals."""
    peers = [one for one in methods if not one.startswith(OURS)]
    lines = [
        "| budget | tasks | our error / best peer's, geometric mean | without ties of rounding | worst | its task "
        "| intervals cover |",
        "|---|---|---|---|---|---|---|",
    ]
    for factor in sorted({one["factor"] for one in cells}):
        ratios = {}
        for name, _, at in _keys(cells):
            if at == factor:
                errors = [_mean(_pick(cells, "error", task=name, factor=at, method=one)) for one in [OURS, *peers]]
                if not (np.isnan(errors[0]) or np.isnan(errors[1:]).all()):
                    ratios[name] = max(errors[0], EXACT) / max(np.nanmin(errors[1:]), EXACT)
        if not ratios:
            continue
        covered = [one for one in _pick(cells, "covered", factor=factor, method=OURS) if one is not None]
        worst = max(ratios, key=lambda name: ratios[name])
        apart = [one for one in ratios.values() if one != 1.0]  # both are rounding where they are equal
        lines.append(
            f"| {factor}d | {len(ratios)} | {_geometric(ratios.values()):.2f} "
            f"| {_geometric(apart):.2f} of {len(apart)} | {ratios[worst]:.2f} | {worst} "
            f"| {100 * np.mean(covered):.1f} % |"
        )
    return "\n".join(lines) + "\n"


def _geometric(ratios: Iterable[float]) -> float:
    return float(np.exp(np.mean(np.log(list(ratios)))))


def _overhead(cells: list[dict[str, Any]], methods: list[str]) -> str:
    lines = [
        "Processor milliseconds per row beyond the model's own / coalitions per row; fit and design are spread over "
        "the rows.\n"
    ]
    lines += [f"| task at 20d | {' | '.join(methods)} |", "|---" * (len(methods) + 1) + "|"]
    for name, d, factor in _keys(cells):
        if factor == 20:
            shown = [
                f"{1e3 * _mean(_pick(cells, 'overhead', task=name, factor=20, method=one)):.1f} / "
                f"{_mean(_pick(cells, 'coalitions', task=name, factor=20, method=one)):.0f}"
                for one in methods
            ]
            shown = ["" if one.startswith("nan") else one for one in shown]
            lines.append(f"| {name}, d={d} | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"
