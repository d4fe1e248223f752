"""The page of results: errors beside the peers, coverage, overhead."""

from typing import Any

import numpy as np

OURS = "pellucid"
HEAD = """# Black-box Shapley values beside the peers

Written by `python -m benchmarks.blackbox`; do not edit by hand. Models with known exact values (tree ensembles by the
exact tree kernel, the others by enumeration), background of 100 rows, {rows} held-out rows, {seeds} seeds. {versions}.

The budget is coalitions per explained row, in units of the number of features d; budgets that hold all coalitions are
exact for everyone and left out. `pellucid` is `Shapley("auto")`, `pellucid least_squares` the default.
Ours also plays four background rows once to fit its hyper-parameters, at most
256 + 2d pairs each; the errors leave that out of the budget, the last table counts it (one fit for {rows} rows). The
first call of shap.Permutation in a process compiles; that is in its time.
"""


def page(cells: list[dict[str, Any]], rows: int, seeds: int, versions: str) -> str:
    """Write everything."""
    methods = list(dict.fromkeys(one["method"] for one in cells))
    parts = [HEAD.format(rows=rows, seeds=seeds, versions=versions)]
    parts.append(
        "## Relative squared error\n\nMean over rows and seeds of ‖φ̂ - φ‖² / ‖φ‖².\n\n" + _errors(cells, methods)
    )
    parts.append("## Summary\n\n" + _summary(cells, methods))
    parts.append("## Overhead and cost\n\n" + _overhead(cells, methods))
    return "\n".join(parts)


def _pick(cells: list[dict[str, Any]], key: str, **where: Any) -> list[Any]:
    return [one[key] for one in cells if all(one[name] == value for name, value in where.items())]


def _mean(found: list[Any]) -> float:
    return float(np.mean(found)) if found else np.nan


def _keys(cells: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    return list(dict.fromkeys((one["task"], one["d"], one["factor"]) for one in cells))


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
        "| budget | tasks | our error / best peer's, geometric mean | worst | intervals cover |",
        "|---|---|---|---|---|",
    ]
    for factor in sorted({one["factor"] for one in cells}):
        ratios = []
        for name, _, at in _keys(cells):
            if at == factor:
                errors = [_mean(_pick(cells, "error", task=name, factor=at, method=one)) for one in [OURS, *peers]]
                ratios.append(errors[0] / np.nanmin(errors[1:]))
        covered = [one for one in _pick(cells, "covered", factor=factor, method=OURS) if one is not None]
        mean = np.exp(np.mean(np.log(ratios)))
        lines.append(f"| {factor}d | {len(ratios)} | {mean:.2f} | {max(ratios):.2f} | {100 * np.mean(covered):.1f} % |")
    return "\n".join(lines) + "\n"


def _overhead(cells: list[dict[str, Any]], methods: list[str]) -> str:
    lines = [
        "Processor milliseconds per row beyond the model's own / coalitions per row, the fit spread over the rows.\n"
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
