"""Reason codes against slow definitions: every listed reason moves the score, and both methods by hand."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression

import pellucid
from pellucid import Codebook, InputError, UnsupportedRequestError
from pellucid.compliance.references import NEAREST
from pellucid.glassbox import Scorecard


def score_of(model, rows):
    """The favourable score, in log-odds."""
    probability = model.predict_proba(rows)
    return np.log(probability[:, 0]) - np.log(probability[:, 1])


def just_above(scores, cutoff):
    above = np.flatnonzero(scores >= cutoff)
    last = np.sort(scores[above])[min(NEAREST, len(above)) - 1]
    return above[scores[above] <= last]


def test_every_reason_of_a_thousand_denials_moves_the_score_as_claimed(hmda, mortgage_model, denials):
    rows, cutoff = denials
    background = hmda.X.iloc[::6]
    found = pellucid.reason_codes(
        mortgage_model, rows, cutoff=cutoff, favorable="no", background=background, resamples=2
    )
    assert len(found) == 1000
    reference = background.iloc[just_above(score_of(mortgage_model, background), cutoff)]
    assert len(reference) == found.n_reference
    listed = [(decision, reason) for decision in found.decisions for reason in decision.reasons]
    assert len(listed) > 2000
    for name in hmda.X.columns:  # the definition: copy the rows, put in the reference's values, ask the model
        mine = [(decision, reason) for decision, reason in listed if reason.name == name]
        if not mine:
            continue
        changed = rows.iloc[np.repeat([decision.row for decision, _ in mine], len(reference))].copy()
        changed[name] = np.tile(reference[name].to_numpy(), len(mine))
        after = score_of(mortgage_model, changed).reshape(len(mine), -1).mean(axis=1)
        before = score_of(mortgage_model, rows.iloc[[decision.row for decision, _ in mine]])
        assert (after > before).all(), name
        np.testing.assert_allclose([reason.move for _, reason in mine], after - before, atol=1e-9)
    for decision in found.decisions:
        assert 0 <= decision.coverage <= 1 + 1e-12
        assert decision.distance > 0
        order = [reason.contribution for reason in decision.reasons]
        assert order == sorted(order)
        assert all(reason.contribution < 0 and 0 <= reason.stability <= 1 for reason in decision.reasons)
        assert all(reason.move <= 1e-9 for reason in decision.refuted)


@pytest.fixture(scope="module")
def card_case(hmda):
    X = hmda.X[["pirat", "lvrat", "chist", "selfemp"]]
    card = Scorecard(n_bins=4).fit(X, np.where(hmda.y == "no", "b good", "a bad"))
    return card, X


@pytest.mark.parametrize("method", ["approved", "all"])
def test_both_methods_equal_a_scorecard_added_up_by_hand(card_case, method):
    card, X = card_case
    cutoff, background = float(np.quantile(card.points(X), 0.2)), X.iloc[::4]
    found = pellucid.reason_codes(card.points, X.head(300), cutoff=cutoff, background=background, method=method)
    points, totals = card.points_by_feature(X.head(300)), card.points(X.head(300))
    compared = just_above(card.points(background), cutoff) if method == "approved" else np.arange(len(background))
    average = card.points_by_feature(background)[compared].mean(axis=0)
    assert [decision.row for decision in found.decisions] == np.flatnonzero(totals < cutoff).tolist()
    for decision in found.decisions:
        shortfall = average - points[decision.row]
        by_hand = [X.columns[j] for j in np.argsort(-shortfall, kind="stable") if shortfall[j] > 1e-9]
        assert [reason.name for reason in decision.reasons] == by_hand[:4]
        for reason in decision.reasons:
            assert reason.contribution == pytest.approx(-shortfall[list(X.columns).index(reason.name)], abs=1e-9)
            assert reason.move == pytest.approx(-reason.contribution, abs=1e-9)
        assert decision.coverage == pytest.approx(1.0)
        assert decision.gap == pytest.approx(average.sum() - points[decision.row].sum())
        assert decision.refuted == ()


def test_a_claim_that_does_not_move_the_score_is_not_listed():
    # a and b lower the score only together, so either alone changes nothing; c does.
    def score(rows):
        return 5.0 - 3.0 * np.maximum(rows[:, 0], rows[:, 1]) - rows[:, 2]

    background = np.array([[0.0, 0.0, 0.0]])
    found = pellucid.reason_codes(score, [[1.0, 1.0, 1.0]], cutoff=4.0, background=background, resamples=0)
    (decision,) = found.decisions
    assert [reason.name for reason in decision.reasons] == ["x2"]
    assert [reason.name for reason in decision.refuted] == ["x0", "x1"]
    assert [reason.contribution for reason in decision.refuted] == pytest.approx([-1.5, -1.5])
    assert decision.coverage == pytest.approx(0.25)


def test_a_marked_factor_blocks_even_where_its_claim_is_refuted_and_is_never_dropped():
    def score(rows):
        return 5.0 - 3.0 * np.maximum(rows[:, 0], rows[:, 1]) - rows[:, 2]

    def ask(name, mark):
        book = {"factors": {name: {"mark": mark}}}
        return pellucid.reason_codes(
            score, [[1.0, 1.0, 1.0]], cutoff=4.0, background=np.zeros((1, 3)), resamples=0, codebook=book
        )

    assert [r.name for r in ask("x2", "protected").decisions[0].reasons] == ["x2"]
    assert "‘x2’ (protected)" in ask("x2", "protected").findings()[0]
    assert "‘x0’ (proxy)" in ask("x0", "proxy").findings()[0]
    assert ask("x2", "").findings() == ()


def grouped_shapley(value, players):
    """Mean marginal contribution over all orders."""
    total = np.zeros(players)
    orders = list(permutations(range(players)))
    for order in orders:
        for place, player in enumerate(order):
            total[player] += value({*order[: place + 1]}) - value({*order[:place]})
    return total / len(orders)


def test_a_group_of_correlated_features_is_one_player_of_the_trees(hmda):
    X = hmda.X[["pirat", "hirat", "lvrat", "chist"]]
    model = GradientBoostingRegressor(n_estimators=20, random_state=0).fit(X, (hmda.y == "no").astype(float))
    background, row = X.iloc[:20], X.iloc[[int(np.argmin(model.predict(X)))]]
    book = {"groups": {"debt": {"features": ["hirat", "pirat"], "code": "D1", "sentence": "Debt."}}}
    found = pellucid.reason_codes(
        model, row, cutoff=0.7, background=background, method="all", codebook=book, resamples=0
    )
    parts = [["pirat", "hirat"], ["lvrat"], ["chist"]]

    def value(shown):
        rows = background.copy()
        for g in shown:
            for name in parts[g]:
                rows[name] = row[name].iloc[0]
        return model.predict(rows).mean()

    expected = dict(zip(["debt", "lvrat", "chist"], grouped_shapley(value, 3), strict=True))
    claims = {r.name: r.contribution for d in found.decisions for r in (*d.reasons, *d.refuted)}
    assert claims == pytest.approx({name: v for name, v in expected.items() if v < 0}, abs=1e-9)
    assert next(r for r in found.decisions[0].reasons if r.name == "debt").words() == "D1: Debt."


def test_low_scores_may_be_favourable_and_mirror_high_ones():
    X = np.random.default_rng(0).normal(size=(200, 3))
    weights = np.array([1.0, 2.0, -1.0])
    high = pellucid.reason_codes(lambda rows: rows @ weights, X, cutoff=0.5, background=X, resamples=0)
    low = pellucid.reason_codes(
        lambda rows: -(rows @ weights), X, cutoff=-0.5, background=X, favorable="low", resamples=0
    )
    assert [d.row for d in high.decisions] == [d.row for d in low.decisions]
    for one, other in zip(high.decisions, low.decisions, strict=True):
        assert one.score == -other.score
        assert [r.name for r in one.reasons] == [r.name for r in other.reasons]
        assert [r.move for r in one.reasons] == pytest.approx([r.move for r in other.reasons])


def test_black_boxes_are_sampled_and_claim_only_what_is_sure(hmda):
    X = hmda.X.select_dtypes("number").iloc[:150]
    model = LogisticRegression(max_iter=2000).fit(X, hmda.y.iloc[:150])
    known = pellucid.reason_codes(model, X, cutoff=2.0, favorable="no", background=X, resamples=0)
    asked = pellucid.reason_codes(
        lambda rows: model.decision_function(rows) * -1.0, X, cutoff=2.0, background=X, resamples=0
    )
    assert [[r.name for r in d.reasons] for d in known.decisions] == [
        [r.name for r in d.reasons] for d in asked.decisions
    ]


def test_nobody_below_the_cutoff_is_an_answer_and_nobody_above_an_error():
    X = np.random.default_rng(0).normal(size=(50, 2))
    found = pellucid.reason_codes(lambda rows: rows[:, 0], X, cutoff=-99.0, background=X)
    assert len(found) == 0
    assert found.to_frame().empty
    assert found.findings() == ()
    with pytest.raises(InputError, match="nobody approved"):
        pellucid.reason_codes(lambda rows: rows[:, 0], X, cutoff=99.0, background=X)
    every = pellucid.reason_codes(lambda rows: rows[:, 0], X, cutoff=99.0, background=X, method="all")
    assert len(every) == 50
    assert all(reason.in_other is None for decision in every.decisions for reason in decision.reasons)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cutoff": "high"}, "finite number"),
        ({"cutoff": float("nan")}, "finite number"),
        ({"cutoff": 2.0, "space": "probability"}, "between 0 and 1"),
        ({"space": "loss"}, "no score"),
        ({"favorable": "maybe"}, "one of 'no', 'yes'"),
        ({"favorable": None}, "good for the person"),
        ({"method": "both"}, "'approved', 'all'"),
        ({"max_reasons": 0}, "at least 1"),
        ({"resamples": -1}, "at least 0"),
        ({"codebook": {"factors": {"pirat": {"sentense": "x"}}}}, "no key 'sentense'.*'sentence'"),
        ({"codebook": {"factor": {}}}, "no key 'factor'.*'factors'"),
        ({"codebook": {"factors": {"pirate": {}}}}, "'pirate'.*'pirat'"),
        ({"codebook": {"factors": {"pirat": {"mark": "race"}}}}, "'protected' or 'proxy'"),
        ({"codebook": {"factors": {"pirat": {"code": 7}}}}, "must be text"),
        ({"codebook": {"groups": {"g": {"features": ["pirat"]}}}}, "two or more"),
        ({"codebook": {"groups": {"g": {"features": ["pirat", "lvrat"]}}, "factors": {"lvrat": {}}}}, "twice"),
        ({"codebook": 7}, "TOML"),
    ],
)
def test_bad_arguments_are_named(hmda, change, message):
    X = hmda.X[["pirat", "lvrat"]]
    model = LogisticRegression().fit(X, hmda.y)
    arguments = {"cutoff": 0.0, "favorable": "no", "background": X, **change}
    with pytest.raises(InputError, match=message):
        pellucid.reason_codes(model, X.head(5), **arguments)


def test_a_model_of_several_numbers_has_no_score():
    X = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.raises(UnsupportedRequestError, match="none is the score"):
        pellucid.reason_codes(lambda rows: rows, X, cutoff=0.0, background=X)


def test_codebook_is_read_from_toml_and_damage_is_said(tmp_path):
    path = tmp_path / "codes.toml"
    path.write_text(
        '[factors."a b"]\ncode = "A"\nsentence = "Was «low»."\n[groups.g]\nfeatures = ["c", "d"]\n', "utf-8"
    )
    factors = Codebook.load(path).read(("c", "a b", "d", "e"))
    assert [(f.name, f.features, f.code) for f in factors] == [
        ("g", ("c", "d"), ""),
        ("a b", ("a b",), "A"),
        ("e", ("e",), ""),
    ]
    path.write_text("[factors", "utf-8")
    with pytest.raises(pellucid.FileError, match="not TOML"):
        Codebook.load(path)
    with pytest.raises(pellucid.FileError, match="cannot be read"):
        Codebook.load(tmp_path / "absent.toml")


def test_frames_and_dicts_say_the_same(hmda, mortgage_model, denials):
    rows, cutoff = denials
    found = pellucid.reason_codes(
        mortgage_model, rows.head(20), cutoff=cutoff, favorable="no", background=hmda.X.head(200), resamples=2
    )
    frame = found.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == sum(len(one["reasons"]) for one in found.to_dict()["decisions"])
    assert frame["contribution"].lt(0).all()
    assert "20 adverse decisions of 20 rows" in repr(found)
    assert found.uncoded == tuple(sorted(set(frame["name"])))


def test_a_cut_off_outside_the_probabilities_is_refused_where_the_raw_score_is_one():
    from sklearn.neighbors import KNeighborsClassifier

    X = np.arange(20.0)[:, None]
    model = KNeighborsClassifier(3).fit(X, X[:, 0] > 9)
    with pytest.raises(InputError, match="between 0 and 1"):
        pellucid.reason_codes(model, X, cutoff=-0.5, favorable=True, background=X)
