"""The search against enumeration: every set of copies, for one row and one neighbour."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid import Constraints, Model, Space, Table
from pellucid.explainers.counterfactuals.constraints import compiled
from pellucid.explainers.counterfactuals.distances import Gower
from pellucid.explainers.counterfactuals.goals import Goal
from pellucid.explainers.counterfactuals.pool import Pool
from pellucid.explainers.counterfactuals.search import codes_at, search
from pellucid.explainers.counterfactuals.selection import diverse

D = 5


def wavy(weights, cross):
    """Probability of class 1 by a logistic function with products, so that copies help only together."""

    def predict(table):
        X = table.as_array()
        score = np.zeros(len(X))
        for j in range(D):
            score = score + weights[j] * X[:, j] + cross[j] * X[:, j] * X[:, (j + 1) % D]
        p = 1 / (1 + np.exp(-score))
        return np.column_stack([1 - p, p])

    return predict


def pool_of(predict, cells, constraints=None, goal=None):
    """One explained row, then one neighbour."""
    table = Table.of(np.asarray(cells, dtype=float))
    model = Model(
        label="f", outputs=("no", "yes"), raw=predict, raw_space=Space.PROBABILITY, probability=predict,
        classes=np.array(["no", "yes"]),
    )  # fmt: skip
    codes = table.codes({})
    start = model.predict(table.take([0]), Space.PROBABILITY).argmax(axis=1)
    return Pool(
        model=model, space=Space.PROBABILITY, goal=goal or Goal(kind="other"), table=table, codes=codes, n_rows=1,
        start=start, rules=compiled(constraints or Constraints(), table, {}),
        gower=Gower.of(codes, np.ones(D, dtype=bool)),
    )  # fmt: skip


def valid_sets(pool):
    """Every set of differing features whose copies change the class, by the obvious loop."""
    x, z = pool.codes
    differing = [j for j in range(D) if x[j] != z[j]]
    found = []
    for size in range(1, len(differing) + 1):
        for chosen in itertools.combinations(differing, size):
            row = x.copy()
            row[list(chosen)] = z[list(chosen)]
            if pool.model.raw(Table.of(row[None])).argmax() != pool.start[0]:
                found.append(frozenset(chosen))
    return found


def searched(pool):
    found = search(pool, np.array([0]), np.array([1]))
    if not len(found.row):
        return None
    return frozenset(np.flatnonzero(found.cells[0] == 1).tolist())


numbers = st.lists(st.integers(-3, 3), min_size=D, max_size=D).map(lambda v: np.array(v, dtype=float))


@given(weights=numbers, cross=numbers, x=numbers, z=numbers)
def test_promises_hold_beside_enumeration(weights, cross, x, z):
    pool = pool_of(wavy(weights, cross), [x, z])
    valid, found = valid_sets(pool), searched(pool)
    every = frozenset(np.flatnonzero(x != z).tolist())
    if found is None:
        assert every not in valid
        assert not any(len(s) == 1 for s in valid)
        return
    assert found in valid
    if any(len(s) == 1 for s in valid):
        assert len(found) == 1
    assert not any(found - {j} in valid for j in found if len(found) > 1)


@given(weights=numbers, x=numbers, z=numbers)
def test_sparsest_of_all_where_the_score_is_a_sum(weights, x, z):
    pool = pool_of(wavy(weights, np.zeros(D)), [x, z])
    valid, found = valid_sets(pool), searched(pool)
    if found is None:
        assert not valid
    else:
        assert len(found) == min(map(len, valid))


def test_nearest_of_the_single_changes_that_work():
    weights = np.array([10.0, 10.0, 10.0, 0.0, 0.0])
    pool = pool_of(wavy(weights, np.zeros(D)), [[-1, -1, -1, 0, 0], [9, 5, 9, 0, 0]])
    pool.gower.scale[:] = 10.0
    assert searched(pool) == {1}


def test_what_was_not_needed_is_undone():
    # feature 0 raises the score first but 1 and 2 together are needed and enough
    def predict(table):
        X = table.as_array()
        p = np.where((X[:, 1] > 0) & (X[:, 2] > 0), 0.9, 0.1 + 0.2 * X[:, 0] + 0.1 * (X[:, 1] + X[:, 2]))
        return np.column_stack([1 - p, p])

    assert searched(pool_of(predict, [[0, 0, 0, 0, 0], [1, 1, 1, 0, 0]])) == {1, 2}


def test_linked_columns_move_together_and_count_once():
    weights = np.array([1.0, 1.0, 0.0, 0.0, 0.0])
    pool = pool_of(
        wavy(weights, np.zeros(D)),
        [[-1, -1, 0, 0, 0], [2, 2, 0, 0, 0]],
        Constraints(linked=[["x0", "x1"]], max_changes=1),
    )
    assert searched(pool) == {0, 1}


@pytest.mark.parametrize(("most", "found"), [(1, None), (2, {0, 1})])
def test_no_more_changes_than_allowed(most, found):
    weights = np.array([1.0, 1.0, 0.0, 0.0, 0.0])
    cells = [[-1, -1, 0, 0, 0], [0.5, 0.5, 0, 0, 0]]
    assert searched(pool_of(wavy(weights, np.zeros(D)), cells, Constraints(max_changes=most))) == found


@given(points=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12), n=st.integers(1, 5))
def test_greedy_max_min_is_within_twice_the_best(points, n):
    """Gonzalez's bound, with the first point fixed: no other choice has more than twice the smallest gap."""
    codes = np.array(points, dtype=float)
    gower = Gower(np.array([10.0, 10.0]))
    apart = gower.between(codes, codes)
    chosen = diverse(gower, codes, np.ones(len(codes), dtype=int), apart[0], n)
    assert len(set(chosen.tolist())) == min(n, len(points))
    assert chosen[0] == 0

    def gap(positions):
        return min((apart[a, b] for a, b in itertools.combinations(positions, 2)), default=np.inf)

    best = max(gap((0, *rest)) for rest in itertools.combinations(range(1, len(points)), min(n, len(points)) - 1))
    assert gap(chosen) >= best / 2 or np.isinf(best)


def test_candidates_are_made_of_the_row_and_its_neighbour_only():
    pool = pool_of(wavy(np.ones(D), np.ones(D)), [[-1, -2, -1, -1, -3], [3, 2, 5, 1, 2]])
    found = search(pool, np.array([0]), np.array([1]))
    cells = codes_at(pool, found.cells)
    assert ((cells == pool.codes[0]) | (cells == pool.codes[1])).all()
