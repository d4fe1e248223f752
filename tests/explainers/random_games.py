"""Games given by the values of all their coalitions, and models, for the tests of estimators."""

import numpy as np


def table_game(values):
    """Read a game off a table of its 2^n values: coalition number c shows player i when bit i is set."""
    return lambda coalitions: values[coalitions @ (1 << np.arange(coalitions.shape[1]))]


def random_game(n, rng, kind):
    """Values of all 2^n coalitions of a random game, of shape (2^n, 1)."""
    shown = ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(float)
    if kind == "triples":
        value = shown @ rng.normal(size=n) + ((shown @ rng.normal(size=(n, n))) * shown).sum(axis=1) / 2
        for _ in range(2 * n):
            value += rng.normal() * shown[:, rng.choice(n, 3, replace=False)].prod(axis=1)
    elif kind == "saturated":
        value = np.tanh(shown @ rng.normal(size=(n, 6)) + rng.normal(size=6) / 2) @ rng.normal(size=6)
    elif kind == "trees":
        value = np.zeros(2**n)
        for _ in range(20):
            leaf = shown[:, rng.choice(n, 4, replace=False)] @ (1 << np.arange(4))
            value += rng.normal(size=16)[leaf.astype(int)]
    else:
        value = rng.normal(size=2**n) + shown @ rng.normal(size=n)
    return value[:, None]


def products(X):
    total = 0.5 * X[:, 0]
    for j in range(X.shape[1] - 2):
        total = total + X[:, j] * X[:, j + 1] * X[:, j + 2]
    return total


def line(X):
    total = np.zeros(len(X))
    for j in range(X.shape[1]):
        total = total + (j - 3.0) * X[:, j]
    return total


def rows(n, count=12, seed=5):
    return np.random.default_rng(seed).normal(size=(count, n))


def every(n):
    """All coalitions of n players."""
    return ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) == 1


def signs_of(shown):
    """1 for players that are shown, -1 for the others."""
    return np.where(shown, 1.0, -1.0)
