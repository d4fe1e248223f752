"""shapiq's estimators of order-2 k-SII, on a Python that shapiq accepts; it imports nothing of ours.

``python peer.py GAMES ANSWERS``: both are files of arrays. GAMES has the values of all coalitions of each game, as
``tables`` of shape (games, 2^n), with `budgets` and `seeds`; ANSWERS gets for each method an array of shape (budgets,
games, seeds, n, n) with interactions of pairs and, on the diagonal, main effects, and the processor seconds.
"""

import sys
import time
import warnings

import numpy as np
from shapiq import approximator

METHODS = {
    "SHAPIQ": lambda n, seed: approximator.SHAPIQ(n, pairing_trick=True, random_state=seed),
    "KernelSHAPIQ": lambda n, seed: approximator.KernelSHAPIQ(n, pairing_trick=True, random_state=seed),
    "SVARMIQ": lambda n, seed: approximator.SVARMIQ(n, pairing_trick=True, random_state=seed),
    "ProxySHAP adjusted": lambda n, seed: approximator.ProxySHAP(n, adjustment=True, random_state=seed),
}


def asked(method, n, table, budget, seed):
    """The estimate of one game; not a number where the peer refuses."""
    place = 1 << np.arange(n)

    def game(coalitions):
        return table[np.asarray(coalitions, dtype=bool) @ place] - table[0]

    try:
        found = METHODS[method](n, seed).approximate(budget, game)
    except Exception:  # whatever it is, it is the peer's answer
        return np.full((n, n), np.nan)
    matrix = np.array(found.get_n_order_values(2), dtype=float)
    matrix[np.arange(n), np.arange(n)] = found.get_n_order_values(1)
    return matrix


def main():
    given = np.load(sys.argv[1])
    tables, n = given["tables"], int(np.log2(given["tables"].shape[1]))
    answers = {}
    for method in METHODS:
        started = time.process_time()
        answers[method] = np.array([
            [[asked(method, n, table, int(budget), int(seed)) for seed in given["seeds"]] for table in tables]
            for budget in given["budgets"]
        ])  # fmt: skip
        answers[f"{method} seconds"] = time.process_time() - started
    np.savez(sys.argv[2], **answers)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
