"""`python -m benchmarks.pairs`: sampled order-2 k-SII beside shapiq's estimators, into docs/benchmarks-pairs.md.

Games whose values of all coalitions are known are asked through tables, so that nothing but the estimators differs.
Answers are kept under build/, task by task; delete that folder to measure again.
"""

import subprocess
import time
from importlib.metadata import version
from math import comb
from pathlib import Path

import numpy as np

import pellucid
from benchmarks.blackbox.peers import ENVIRONMENT, peer
from benchmarks.blackbox.tasks import every_coalition, task

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "build" / "benchmarks-pairs"
PAGE = ROOT / "docs" / "benchmarks-pairs.md"
TASKS = ("diabetes-xgb", "diabetes-mlp", "wine-mlp", "digits_blocks-mlp", "image-svm", "text-mlp")
FACTORS = (10, 20, 50, 100)
GAMES, SEEDS, ROWS = 3, 1, 20
"""Of the tasks' 20 games the first few are asked."""
PEERS = ("SHAPIQ", "KernelSHAPIQ", "SVARMIQ", "ProxySHAP adjusted")


def exact(table):
    """Interactions by the definition, with main effects on the diagonal; also the weighted sum of players."""
    n = int(np.log2(len(table)))
    shown, numbers = every_coalition(n), np.arange(len(table))
    size, matrix = shown.sum(axis=1), np.zeros((n, n))
    pairs = np.array([1.0 / ((n - 1) * comb(n - 2, k)) if k <= n - 2 else 0.0 for k in range(n + 1)])
    alone = np.array([1.0 / (n * comb(n - 1, k)) if k <= n - 1 else 0.0 for k in range(n + 1)])
    for i in range(n):
        without = numbers[~shown[:, i]]
        matrix[i, i] = (table[without | 1 << i] - table[without]) @ alone[size[without]]
        for j in range(i):
            neither = without[~shown[without, j]]
            gaps = table[neither | 1 << i | 1 << j] - table[neither | 1 << i] - table[neither | 1 << j] + table[neither]
            matrix[i, j] = matrix[j, i] = gaps @ pairs[size[neither]]
    main = np.diag(matrix) - (matrix.sum(axis=1) - np.diag(matrix)) / 2
    matrix[np.arange(n), np.arange(n)] = main
    return matrix


def ours(table, budget, seed):
    """The estimate of one game, in the same form."""
    n = int(np.log2(len(table)))
    place = 1 << np.arange(n)
    found = pellucid.interactions(
        lambda X: table[(np.asarray(X) > 0.5) @ place], np.ones((1, n)), background=np.zeros((1, n)), method="shapley",
        budget=budget, random_state=seed,
    )  # fmt: skip
    matrix = 2.0 * found.values[0, :, :, 0]
    matrix[np.arange(n), np.arange(n)] /= 2.0
    half = 1.96 * found.std_error[0, :, :, 0]
    half[~np.eye(n, dtype=bool)] *= 2.0
    return matrix, half


def measured(name):
    """Errors of every method on one task: for pairs, relative squared error (budgets, games, seeds)."""
    path = KEPT / f"{name}.npz"
    if path.exists():
        return dict(np.load(path))
    KEPT.mkdir(parents=True, exist_ok=True)
    tables = task(name, ROWS).tables[:GAMES]
    n = int(np.log2(tables.shape[1]))
    budgets = [factor * n for factor in FACTORS if factor * n < 2**n]
    known = np.array([exact(table) for table in tables])
    games, answers = KEPT / "games.npz", KEPT / "answers.npz"
    np.savez(games, tables=tables, budgets=budgets, seeds=np.arange(SEEDS))
    peer()  # makes the environment where there is none
    subprocess.run([ENVIRONMENT / "bin" / "python", Path(__file__).parent / "peer.py", games, answers], check=True)
    found, started = dict(np.load(answers)), time.process_time()
    both = [[[ours(table, budget, seed) for seed in range(SEEDS)] for table in tables] for budget in budgets]
    found["pellucid seconds"] = np.array(time.process_time() - started)
    found["pellucid"] = np.array([[[matrix for matrix, _ in seeds] for seeds in games] for games in both])
    half = np.array([[[half for _, half in seeds] for seeds in games] for games in both])
    off = ~np.eye(n, dtype=bool)
    result = {"d": n, "budgets": budgets}
    result["covered"] = (np.abs(found["pellucid"] - known[:, None]) <= half + 1e-12)[..., off].mean()
    for method in ("pellucid", *PEERS):
        gap = (found[method] - known[:, None])[..., off]
        result[method] = (gap**2).sum(axis=-1) / (known[:, off] ** 2).sum(axis=-1)[:, None]
        result[f"{method} ms"] = 1000 * found[f"{method} seconds"] / gap[..., 0].size
    np.savez(path, **result)
    return dict(np.load(path))


def lines():
    """The page, line by line."""
    yield "# Interactions of pairs beside shapiq\n"
    yield (
        "Written by `python -m benchmarks.pairs`; do not edit by hand. Order-2 k-SII of the interactions of pairs: "
        f"relative squared error against all coalitions, mean over {GAMES} games, seeds {SEEDS}. The budget is "
        "coalitions per game, in units of the number of players d; every method plays the same tables of values, each "
        "game by itself. Our interactions need 8d coalitions at least; budgets that hold all are exact and left out. "
        f"pellucid {version('pellucid')}, shapiq {peer().version}; the best is bold.\n"
    )
    yield f"| task | budget | pellucid | {' | '.join(PEERS)} | best peer / pellucid |"
    yield f"|---|---|{'---|' * (len(PEERS) + 2)}"
    ratios, results = [], {name: measured(name) for name in TASKS}
    for name, found in results.items():
        for position, budget in enumerate(found["budgets"]):
            errors = [found[method][position].mean() for method in ("pellucid", *PEERS)]
            ratio = np.nanmin(errors[1:]) / errors[0]
            ratios.append(ratio)
            cells = [
                f"**{e:.1e}**" if e == np.nanmin(errors) else "refused" if np.isnan(e) else f"{e:.1e}" for e in errors
            ]
            yield f"| {name}, d={found['d']} | {budget // found['d']}d | {' | '.join(cells)} | {ratio:.2g}x |"
    worse = sum(ratio < 1 for ratio in ratios)
    yield (
        f"\nGeometric mean of the last column: {np.exp(np.mean(np.log(ratios))):.2g}x. A peer is better in {worse} of "
        f"{len(ratios)} cells.\n"
    )
    yield (
        "The 95 % intervals of pairs covered "
        + ", ".join(f"{float(found['covered']):.1%} on {name}" for name, found in results.items())
        + ".\n"
    )
    yield f"| task | pellucid, ms a game | {' | '.join(PEERS)} |\n|---|---|{'---|' * len(PEERS)}"
    for name, found in results.items():
        times = [f"{float(found[method + ' ms']):.0f}" for method in ("pellucid", *PEERS)]
        yield f"| {name} | {' | '.join(times)} |"


def main():
    page = []
    for line in lines():
        page.append(line)
        print(line, flush=True)
    PAGE.write_text("\n".join(page) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
