"""Subjects that several tests share."""

from fractions import Fraction

import numpy as np
import pytest

from pellucid.ir import TreeEnsemble


def make_chain(rng: np.random.Generator, depth: int):
    """A chain whose split k asks column k; the way on is random left or right.

    Returns the ensemble, one row, and the chain as `exact_chain` wants it.
    """
    on_left = rng.integers(0, 2, depth).astype(bool)
    stays = rng.random(depth) < 0.9
    on, off = rng.integers(1, 8, depth).astype(float), rng.integers(1, 3, depth).astype(float)
    leaves = np.round(rng.normal(size=depth + 1), 3)
    n = 2 * depth + 1
    inner, way_on, leaf = np.arange(depth) * 2, np.arange(depth) * 2 + 2, np.arange(depth) * 2 + 1
    left, right, feature = (np.full(n, -1) for _ in range(3))
    feature[inner] = np.arange(depth)
    left[inner], right[inner] = np.where(on_left, way_on, leaf), np.where(on_left, leaf, way_on)
    cover, value = np.zeros(n), np.zeros((n, 1))
    cover[way_on], cover[leaf] = on, off
    value[leaf, 0], value[n - 1, 0] = leaves[:-1], leaves[-1]
    trees = TreeEnsemble(
        roots=np.array([0]),
        left=left,
        right=right,
        feature=feature,
        threshold=np.zeros(n),
        missing_left=np.zeros(n, dtype=bool),
        cover=cover,
        value=value,
        output=np.array([0]),
        base=np.zeros(1),
        n_columns=depth,
        less_equal=True,
    )
    row = np.where(stays == on_left, -1.0, 1.0)[None]
    shares = [Fraction(a) / (Fraction(a) + Fraction(b)) for a, b in zip(on, off, strict=True)]
    return trees, row, shares, stays.tolist(), [Fraction(float(v)) for v in leaves]


@pytest.fixture
def chain():
    return make_chain
