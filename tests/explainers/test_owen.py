"""Owen values against their definition: the mean over every order that keeps groups together."""

import itertools

import numpy as np
import pytest

import pellucid
from pellucid import InputError, Owen, UnsupportedRequestError


def product(X):
    total = np.zeros(len(X))
    for j in range(X.shape[1]):
        total = total + (j + 1.0) * X[:, j] * X[:, (j + 1) % X.shape[1]] * (1.0 + X[:, (j + 3) % X.shape[1]])
    return total


def orders(tree):
    """Every order of the leaves that keeps the nested groups together."""
    if not isinstance(tree, list):
        return [[tree]]
    return [
        [leaf for part in parts for leaf in part]
        for branches in itertools.permutations(tree)
        for parts in itertools.product(*(orders(branch) for branch in branches))
    ]


def by_definition(value, tree, n):
    gained = np.zeros(n)
    every = orders(tree)
    for order in every:
        shown = set()
        for player in order:
            before = value(shown)
            shown = shown | {player}
            gained[player] += value(shown) - before
    return gained / len(every)


X, BACKGROUND = np.array([[1.0, -0.5, 2.0, 0.5, 1.5, -1.0]]), np.zeros((1, 6))
BY_NAME = {"a": ["x0", "x3"], "b": [["x1", "x2"], "x4"]}
BY_POSITION = [[0, 3], [[1, 2], 4], 5]


def value(shown):
    return product(np.array([[X[0, j] if j in shown else 0.0 for j in range(6)]]))[0]


def test_values_are_the_definition_within_their_errors_and_add_up():
    truth = by_definition(value, BY_POSITION, 6)
    asked = {"background": BACKGROUND, "method": Owen(BY_NAME)}
    runs = [pellucid.explain(product, X, **asked, random_state=seed) for seed in range(8)]
    for run in runs:
        assert run.values.sum() == pytest.approx(value(set(range(6))) - value(set()))
        assert np.all(np.abs(run.values[0, :, 0] - truth) <= 4.5 * run.std_error[0, :, 0] + 1e-12)
    assert np.abs(truth - by_definition(value, list(range(6)), 6)).max() > 0.1  # the groups matter
    both = [(run.values, run.std_error) for run in runs]
    values, errors = (np.array([part[0, :, 0] for part in parts]) for parts in zip(*both, strict=True))
    assert np.all(np.abs(values.mean(axis=0) - truth) <= 4 * np.sqrt((errors**2).mean(axis=0) / 8))


def test_the_values_of_a_group_do_not_depend_on_how_another_is_cut():
    whole, cut = (
        pellucid.explain(product, X, background=BACKGROUND, method=Owen([["x0", "x3"], other, "x5"]), budget=20_000)
        for other in (["x1", "x2", "x4"], [["x1", "x4"], "x2"])
    )
    error = 4.5 * np.hypot(whole.std_error, cut.std_error)
    assert np.all(np.abs(whole.values - cut.values)[0, [0, 3, 5]] <= error[0, [0, 3, 5]])


def test_features_that_do_not_matter_get_zero_and_leave_the_groups():
    same = X.copy()
    same[0, [1, 2]] = 0.0
    run = pellucid.explain(product, same, background=BACKGROUND, method=Owen(BY_NAME))
    np.testing.assert_array_equal(run.values[0, [1, 2]], 0.0)
    assert run.values.sum() == pytest.approx(product(same)[0])


REFUSED = [
    (3, "must be lists"),
    ("x0", "must be lists"),
    ([["x0"], ["x0"]], "'x0' is in two"),
    ([[1]], "got 1"),
]


@pytest.mark.parametrize(("groups", "said"), REFUSED)
def test_what_is_no_group_is_refused(groups, said):
    with pytest.raises(InputError, match=said):
        Owen(groups)


def test_impossible_requests_are_refused():
    with pytest.raises(InputError, match=r"not there: 'z'\. There are 'x0'"):
        pellucid.explain(product, X, background=BACKGROUND, method=Owen([["z"]]))
    with pytest.raises(UnsupportedRequestError, match=r"method='owen' needs at least 22 .* Pass budget=22"):
        pellucid.explain(product, X, background=BACKGROUND, method=Owen(BY_NAME), budget=21)
