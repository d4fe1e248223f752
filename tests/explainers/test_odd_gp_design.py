"""Which pairs are taken: the most telling, one by one, against conditioning all candidates."""

import numpy as np
import pytest

from pellucid._kernels import _native
from pellucid._kernels.trees import instruction_sets
from pellucid.explainers.coalitions import pair_design, pairs_of_two
from pellucid.explainers.odd_gp import DUST, Prior, expected_error
from pellucid.explainers.odd_gp_design import SHARE, TIE, _best, _take, best_pairs

from .random_games import every, signs_of


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize(("n", "pairs"), [(6, 21), (6, 31), (11, 90), (13, 400), (40, 900), (150, 400)])
def test_the_best_pairs_are_distinct_and_drawn_by_the_seed(n, pairs, complete):
    if complete and pairs < pairs_of_two(n):
        return
    design = best_pairs(n, pairs, 1, complete=complete)
    whole = {row.tobytes() for row in design.shown} | {row.tobytes() for row in ~design.shown}
    assert len(whole) == 2 * pairs
    np.testing.assert_array_equal(design.shown.sum(axis=1), design.size)
    assert np.all((design.size >= 1) & (2 * design.size <= n))
    assert not complete or np.sum(design.size <= 2) >= pairs_of_two(n)
    if pairs_of_two(n) < pairs < 2 ** (n - 1) - 1:
        other = {row.tobytes() for row in best_pairs(n, pairs, 2, complete=complete).shown}
        assert other - {row.tobytes() for row in design.shown}


@pytest.mark.parametrize("begun", [0, 3])
def test_each_pair_leaves_less_variance_than_any_other_would(begun):
    rng = np.random.default_rng(7)
    shown = every(9)[1:256][rng.permutation(255)[:60]]
    prior, taken = Prior.geometric(9, SHARE), _best(shown, begun, 25)
    assert taken[:begun] == list(range(begun))
    for step in range(begun, 25):
        left = [
            np.inf if j in taken[:step] else expected_error(prior, shown[[*taken[:step], j]]) for j in range(len(shown))
        ]
        assert left[taken[step]] == pytest.approx(min(left), rel=1e-6)


def test_the_design_does_not_depend_on_how_ties_are_rounded(monkeypatch):
    expected = best_pairs.__wrapped__(9, 60, 0).shown
    shapley, rng = Prior.shapley, np.random.default_rng(0)

    def rounded_otherwise(*arguments):
        found = shapley(*arguments)
        return found * (1.0 + 1e-13 * rng.normal(size=found.shape))

    monkeypatch.setattr(Prior, "shapley", rounded_otherwise)
    np.testing.assert_array_equal(best_pairs.__wrapped__(9, 60, 0).shown, expected)


def most_telling(signs, begun, steps):
    """Positions taken one by one after those begun with, and the gains of all, by conditioning all that is left."""
    prior = Prior.geometric(signs.shape[1], SHARE)
    left, values = prior.covariance(signs), prior.shapley(signs)
    taken, gain = list(range(begun)), np.full(len(signs), np.inf)
    for step in range(begun + steps + 1):
        if step >= begun:
            gain = np.sum(values**2, axis=1) / np.maximum(np.diagonal(left), DUST)
            gain[taken] = -1.0
        if step == begun + steps:
            return taken[begun:], gain
        best = step if step < begun else int((gain >= gain.max() * (1.0 - TIE)).argmax())
        taken += [best] if step >= begun else []
        column = left[:, best].copy()
        values -= np.outer(column, values[best]) / column[best]
        left -= np.outer(column, column) / column[best]
    raise AssertionError


@pytest.mark.parametrize("instructions", instruction_sets())
@pytest.mark.parametrize(
    # fewer candidates than a tile, more steps than are remembered, all that there are, more players than bits of a word
    "size",
    [(5, 11, 1, 5), (12, 500, 1, 150), (8, 128, 20, 108), (9, 200, 3, 0), (70, 300, 1, 40), (20, 401, 21, 200)],
)
def test_the_most_telling_are_taken_one_by_one(size, instructions, monkeypatch):
    n, candidates, begun, steps = size
    rng = np.random.default_rng(n)
    others = rng.random((candidates, n)) < 0.5 if n > 12 else rng.permutation(every(n)[2 ** (n - 1) : -1])
    shown = np.concatenate([np.ones((1, n), bool), others])[:candidates]
    take_best = _native.take_best
    monkeypatch.setattr(_native, "take_best", lambda *arguments: take_best(*arguments, instructions))
    taken, gain = _take(shown, begun, steps)
    expected, left = most_telling(signs_of(shown), begun, steps)
    assert taken.tolist() == expected
    some = left > 0
    np.testing.assert_allclose(gain[some], left[some], rtol=1e-7, atol=1e-12)
    assert not gain[~some].any()


def test_candidates_that_do_not_fit_are_refused():
    shown, rows, values, distance = np.ones((4, 3), bool), np.ones((4, 1)), np.ones((4, 3)), np.ones(4)
    with pytest.raises(ValueError, match="rows and values"):
        _native.take_best(shown, distance, 1.0, rows[:3], values, 1, 0.0, 0.0)
    with pytest.raises(ValueError, match="a value and a distance"):
        _native.take_best(shown, distance[:3], 1.0, rows, values, 1, 0.0, 0.0)
    with pytest.raises(ValueError, match="no more can be taken"):
        _native.take_best(shown, distance, 1.0, rows, values, 4, 0.0, 0.0)


def test_the_best_pairs_leave_much_less_variance_than_pairs_by_leverage():
    for n, pairs in ((12, 60), (12, 120), (30, 150)):
        prior = Prior.geometric(n, 1 / 16)
        by_leverage = expected_error(prior, pair_design(n, pairs, 0).shown)
        assert expected_error(prior, best_pairs(n, pairs, 0).shown) < 0.7 * by_leverage
