"""The beam search for fewer changes against enumeration of everything that it may try."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid
from pellucid import Constraints, InputError

D = 4
levels = st.lists(st.integers(-4, 4), min_size=D * 3, max_size=D * 3).map(lambda v: np.array(v, float).reshape(D, 3))
cells = st.lists(st.integers(0, 2), min_size=D, max_size=D)


def additive(gains):
    """Probability of class 1 by what each of three values of each feature gives."""

    def predict(X):
        score = sum(gains[j][X[:, j].astype(int)] for j in range(D)) - 0.5
        p = 1 / (1 + np.exp(-score))
        return np.column_stack([1 - p, p])

    return predict


def fewest(predict, row, background, movable):
    """Fewest changes to any values of the background that change the class; the neighbours do not matter."""
    start = predict(row[None]).argmax()
    values = [sorted({*background[:, j], row[j]}) if j in movable else [row[j]] for j in range(D)]
    reached = [
        sum(a != b for a, b in zip(candidate, row, strict=True))
        for candidate in itertools.product(*values)
        if predict(np.array([candidate], dtype=float)).argmax() != start
    ]
    return min(reached, default=None)


@given(gains=levels, row=cells, others=st.lists(cells, min_size=2, max_size=5), fixed=st.sampled_from([(), ("x0",)]))
def test_where_features_add_up_the_fewest_changes_are_found(gains, row, others, fixed):
    predict, row, background = additive(gains), np.array(row, float), np.array(others, float)
    found = pellucid.counterfactuals(
        predict, row[None], background=background, target=(0.5, None), output=1,
        constraints=Constraints(immutable=fixed),
    ) if predict(row[None])[0, 1] < 0.5 else None  # fmt: skip
    if found is None or not len(found.row):
        return
    best = fewest(predict, row, background, [j for j in range(D) if f"x{j}" not in fixed])
    assert found.changed.sum(axis=1).tolist() == [best]
    assert not found.changed[0, [int(name[1:]) for name in fixed]].any()


def test_cells_of_two_rows_need_fewer_changes_than_those_of_one():
    def predict(X):
        reached = ((X[:, 0] == 2) & (X[:, 1] == 2)) | (X[:, 2:] == 1).all(axis=1)
        return 0.05 + 0.2 * (X[:, 0] == 2) + 0.2 * (X[:, 1] == 2) + 0.05 * X[:, 2:].sum(axis=1) + 0.4 * reached

    row = np.zeros((1, 6))
    background = np.array([[0, 0, 1, 1, 1, 1], [2, 0, 0, 0, 0, 0], [0, 2, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1.0]])
    found = pellucid.counterfactuals(predict, row, background=background, target=(0.5, None))
    np.testing.assert_array_equal(found.alternatives, [[2, 2, 0, 0, 0, 0]])
    rules = Constraints(ranges={"x0": (0, 1)})
    barred = pellucid.counterfactuals(predict, row, background=background, target=(0.5, None), constraints=rules)
    assert barred.changed[0].tolist() == [False, False, True, True, True, True]


def test_columns_that_are_linked_come_from_one_row():
    def predict(X):
        return 0.1 + 0.25 * X[:, 0] + 0.25 * X[:, 1] * X[:, 2]

    background = np.array([[1, 0, 0, 1], [0, 1, 1, 0], [1, 1, 1, 0], [0, 0, 1, 1.0]])
    rules = Constraints(linked=[["x1", "x2"]])
    row = np.zeros((1, 4))
    found = pellucid.counterfactuals(predict, row, background=background, target=(0.5, None), constraints=rules)
    assert (found.alternatives[:, 1:3] == 1).all()
    assert found.changed.tolist() == [[True, True, True, False]]


def test_progress_is_told_and_checked():
    heard = []
    X = np.random.default_rng(0).normal(size=(60, 5))
    pellucid.counterfactuals(
        lambda Z: 1 / (1 + np.exp(-Z.sum(axis=1))), X[:9], background=X, target=(0.9, None),
        progress=lambda *said: heard.append(said),
    )  # fmt: skip
    assert {task for task, _, _ in heard} == {"copying", "shortening"}
    with pytest.raises(InputError, match="progress must be"):
        pellucid.counterfactuals(lambda Z: Z[:, 0], X, background=X, target=(1, 2), progress="yes")
