"""The marginal game against its definition, cell by cell."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid import InputError, Model, ModelError, Space, Table, UnsupportedRequestError
from pellucid.games import MarginalGame, marginal
from pellucid.games.marginal import marginal_game, mean_over_background, row_cap

cells = st.sampled_from([0.0, 1.0, -1.5, 2.0, np.nan])


def all_coalitions(n):
    return np.array(list(itertools.product([False, True], repeat=n)))


def polynomial(table):
    """A function whose outputs do not depend on how many rows it sees at once."""
    columns = [np.nan_to_num(table.column(name), nan=-2.0) for name in table.names]
    first = sum((j + 1.0) * column for j, column in enumerate(columns))
    return np.stack([first + columns[0] * columns[-1], columns[0] ** 2 - columns[-1]], axis=1)


def model_of(function, outputs=("a", "b"), **more):
    return Model(label="the test function", outputs=outputs, raw=function, **more)


def by_definition(function, background, row, coalition):
    """Hide features one background row and one cell at a time."""
    total = 0.0
    for hidden_by in background:
        mixed = [x if shown else b for x, b, shown in zip(row, hidden_by, coalition, strict=True)]
        total = total + function(Table.of(np.array([mixed])))[0]
    return total / len(background)


@settings(deadline=None, max_examples=40)
@given(st.data(), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
def test_values_are_the_definition(data, n, b, rows):
    def draw(m):
        return np.array(data.draw(st.lists(st.lists(cells, min_size=n, max_size=n), min_size=m, max_size=m)))

    background, X = draw(b), draw(rows)
    games = MarginalGame(model=model_of(polynomial), background=Table.of(background)).rows(Table.of(X))
    for row in range(rows):
        relevant = games.relevant[row]
        coalitions = all_coalitions(relevant.sum())
        values = games.values(row, coalitions)
        for coalition, value in zip(coalitions, values, strict=True):
            shown = np.zeros(n, dtype=bool)
            shown[relevant] = coalition
            np.testing.assert_allclose(value, by_definition(polynomial, background, X[row], shown), atol=1e-12)


def test_null_players_are_those_whose_cell_is_everywhere_the_same():
    background = np.array([[1.0, np.nan, 0.0, 2.0], [1.0, np.nan, 0.0, 3.0]])
    X = np.array([[1.0, np.nan, -0.0, 2.0], [2.0, 5.0, 0.0, 2.0]])
    games = MarginalGame(model=model_of(polynomial), background=Table.of(background)).rows(Table.of(X))
    assert games.relevant.tolist() == [[False, False, True, True], [True, True, False, True]]


def test_null_players_in_frames_compare_categories_and_strings_by_value():
    frame = pd.DataFrame({"c": pd.Categorical(["u", "u", "v"]), "s": ["x", "x", None], "n": [1, 1, 1]})
    games = MarginalGame(model=model_of(lambda t: np.zeros(len(t)), ("y",)), background=Table.of(frame.iloc[:2])).rows(
        Table.of(frame)
    )
    assert games.relevant.tolist() == [[False, False, False], [False, False, False], [True, True, False]]


def test_dtypes_reach_the_model_unchanged():
    frame = pd.DataFrame(
        {
            "category": pd.Categorical(["u", "v", "u", "w"], categories=["w", "v", "u"]),
            "whole": np.array([1, 2, 3, 4], dtype=np.int32),
            "nullable": pd.array([1, None, 3, 4], dtype="Int64"),
            "flag": [True, False, True, True],
            "text": ["p", "q", None, "p"],
        }
    )
    seen = []

    def spy(table):
        seen.append(table.native)
        return np.zeros(len(table))

    games = MarginalGame(model=model_of(spy, ("y",)), background=Table.of(frame.iloc[:3])).rows(
        Table.of(frame.iloc[3:])
    )
    games.values(0, all_coalitions(int(games.relevant[0].sum())))
    for native in seen:
        assert native.dtypes.to_dict() == frame.dtypes.to_dict()
        assert list(native["category"].cat.categories) == ["w", "v", "u"]


def test_columns_of_one_player_are_shown_together():
    background, X = np.zeros((1, 3)), np.array([[1.0, 10.0, 100.0]])
    game = MarginalGame(
        model=model_of(lambda t: t.as_array().sum(axis=1), ("y",)),
        background=Table.of(background),
        players=np.array([0, 1, 0]),
    )
    values = game.rows(Table.of(X)).values(0, all_coalitions(2))
    assert values.ravel().tolist() == [0.0, 10.0, 101.0, 111.0]


@pytest.mark.parametrize("players", [[0, 1], [0, 2, 2], [1, 1, 2]])
def test_players_are_numbered_without_gaps(players):
    with pytest.raises(InputError, match="players must give each of the 3 columns"):
        MarginalGame(model=model_of(polynomial), background=Table.of(np.zeros((2, 3))), players=np.array(players))


def test_loss_is_measured_on_every_row_s_own_target():
    background, X, y = np.array([[0.0], [2.0]]), np.array([[1.0], [5.0]]), np.array([3.0, 4.0])
    model = model_of(lambda t: t.as_array()[:, 0], ("y",))
    games = MarginalGame(model=model, background=Table.of(background), space=Space.LOSS).rows(Table.of(X), y)
    assert games.empty.ravel().tolist() == [(9.0 + 1.0) / 2, (16.0 + 4.0) / 2]
    assert games.full.ravel().tolist() == [4.0, 1.0]
    assert games.values(1, np.array([[False], [True]])).ravel().tolist() == [10.0, 1.0]


def test_loss_without_targets_is_refused():
    game = MarginalGame(model=model_of(polynomial), background=Table.of(np.zeros((1, 2))), space=Space.LOSS)
    with pytest.raises(InputError, match="Pass y="):
        game.rows(Table.of(np.ones((1, 2))))


def test_predict_calls_stay_under_the_cap_and_pieces_change_no_bit(monkeypatch):
    rng = np.random.default_rng(0)
    background, X = rng.normal(size=(7, 4)), rng.normal(size=(3, 4))
    coalitions, sizes = all_coalitions(4), []

    def spy(table):
        sizes.append(len(table))
        return polynomial(table)

    def values():
        games = MarginalGame(model=model_of(spy), background=Table.of(background)).rows(Table.of(X))
        return np.stack(games.evaluate([(row, coalitions) for row in range(3)])[0])

    whole = values()
    for cap in (1, 5, 7, 20):
        monkeypatch.setattr(marginal, "ROW_CAP", cap)
        sizes.clear()
        np.testing.assert_array_equal(values(), whole)
        assert max(sizes) <= cap


def test_wide_tables_get_fewer_rows_per_call():
    assert row_cap(3) == marginal.ROW_CAP
    assert row_cap(100_000) * 100_000 <= marginal.CELL_CAP


def test_a_row_alone_and_in_company_gives_the_same_bits():
    rng = np.random.default_rng(1)
    background, X, coalitions = rng.normal(size=(33, 5)), rng.normal(size=(6, 5)), all_coalitions(5)
    game = MarginalGame(model=model_of(polynomial), background=Table.of(background))
    together = game.rows(Table.of(X)).evaluate([(row, coalitions) for row in range(6)])[0]
    for row in range(6):
        alone = game.rows(Table.of(X[row : row + 1])).values(0, coalitions)
        np.testing.assert_array_equal(alone, together[row])


@pytest.mark.parametrize("outputs", [1, 2, 5])
@pytest.mark.parametrize("b", [1, 2, 9, 100, 1000])
def test_the_mean_over_the_background_does_not_depend_on_its_neighbours(b, outputs):
    values = np.random.default_rng(b).normal(size=(b, 6, outputs)) * 1e3
    together = mean_over_background(values)
    for k in range(6):
        np.testing.assert_array_equal(mean_over_background(values[:, k : k + 1])[0], together[k])
    np.testing.assert_allclose(together, values.mean(axis=0), atol=1e-11)


@pytest.mark.parametrize(("b", "cells"), [(1, 3), (7, 1), (100, 1023), (30, 2500)])
def test_the_mean_over_the_background_is_counted_from_the_first_row_and_added_up_in_order(b, cells):
    values = np.random.default_rng(cells).normal(size=(b, cells, 1))
    total = np.zeros((cells, 1))
    for line in values:
        total += line - values[0]
    np.testing.assert_array_equal(mean_over_background(values), values[0] + total / b)
    turned = np.asfortranarray(values)
    np.testing.assert_array_equal(mean_over_background(turned), mean_over_background(values))


def test_the_mean_of_equal_outputs_is_that_output():
    values = np.random.default_rng(0).normal(size=(1, 500, 2)) ** 5
    for b in (3, 7, 40, 100):
        np.testing.assert_array_equal(mean_over_background(np.repeat(values, b, axis=0)), values[0])


def test_repeated_coalitions_are_paid_once_and_the_ends_are_free():
    rows_seen = []

    def spy(table):
        rows_seen.append(len(table))
        return polynomial(table)

    game = MarginalGame(model=model_of(spy), background=Table.of(np.arange(12.0).reshape(4, 3)))
    games = game.rows(Table.of(np.full((1, 3), 50.0)))
    rows_seen.clear()
    coalitions = np.array([[1, 0, 0], [0, 0, 0], [1, 0, 0], [1, 1, 1], [0, 1, 0]], dtype=bool)
    values, cost = games.evaluate([(0, coalitions)])
    assert cost == sum(rows_seen) == 2 * 4
    np.testing.assert_array_equal(values[0][0], values[0][2])
    np.testing.assert_array_equal(values[0][1], games.empty[0])
    np.testing.assert_array_equal(values[0][3], games.full[0])


def test_the_full_coalition_is_the_model_s_own_output():
    X = np.random.default_rng(2).normal(size=(5, 3))
    games = MarginalGame(model=model_of(polynomial), background=Table.of(np.zeros((2, 3)))).rows(Table.of(X))
    np.testing.assert_array_equal(games.full, polynomial(Table.of(X)))


def test_a_model_that_spoils_its_input_spoils_nothing_of_ours():
    def spoil(table):
        values = polynomial(table)
        table.native[:] = 1e9
        return values

    background, X = np.arange(6.0).reshape(2, 3), np.full((2, 3), 7.0)
    kept = background.copy(), X.copy()
    coalitions = all_coalitions(3)
    games = MarginalGame(model=model_of(spoil), background=Table.of(background)).rows(Table.of(X))
    expected = MarginalGame(model=model_of(polynomial), background=Table.of(kept[0])).rows(Table.of(kept[1]))
    np.testing.assert_array_equal(games.values(1, coalitions), expected.values(1, coalitions))
    np.testing.assert_array_equal(background, kept[0])
    np.testing.assert_array_equal(X, kept[1])


def test_no_rows_are_no_games():
    games = MarginalGame(model=model_of(polynomial), background=Table.of(np.zeros((2, 3)))).rows(
        Table.of(np.empty((0, 3)))
    )
    assert len(games) == 0
    assert games.full.shape == games.empty.shape == (0, 2)


def test_an_empty_background_is_refused():
    with pytest.raises(InputError, match="at least one row"):
        MarginalGame(model=model_of(polynomial), background=Table.of(np.empty((0, 3))))


def test_no_background_is_refused_with_what_to_pass():
    with pytest.raises(UnsupportedRequestError, match="pass background="):
        marginal_game(model_of(polynomial), None, Space.RAW, method="shapley")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda t: np.zeros((len(t), 3)), "shape"),
        (lambda t: np.zeros(len(t) + 1), "shape"),
        (lambda t: np.full(len(t), np.nan), "NaN, infinity"),
        (lambda t: ["yes"] * len(t), "must return numbers"),
        (lambda _: 1.0, "shape"),
    ],
)
def test_bad_predictions_are_named(answer, message):
    with pytest.raises(ModelError, match=message):
        MarginalGame(model=model_of(answer, ("y",)), background=Table.of(np.zeros((2, 3))))


def test_a_list_of_numbers_is_a_prediction():
    game = MarginalGame(model=model_of(lambda t: [1.5] * len(t), ("y",)), background=Table.of(np.zeros((2, 3))))
    assert game.empty.tolist() == [1.5]


def test_integers_beyond_float64_are_not_taken_for_equal():
    huge = 2**60
    background, rows = Table.of(np.array([[huge, 1]])), Table.of(np.array([[huge + 1, 1]]))
    game = MarginalGame(model=model_of(polynomial), background=background, space=Space.RAW)
    assert game.rows(rows).relevant.tolist() == [[True, False]]
