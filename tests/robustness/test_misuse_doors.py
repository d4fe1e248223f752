"""Models that misbehave at every door that asks a function: a named error, and nothing of the caller's changed."""

import numpy as np
import pandas as pd
import pytest

import pellucid
from pellucid import AdditivityError, ModelError

D = 5


def frame(n=30):
    return pd.DataFrame(np.random.default_rng(0).normal(size=(n, D)), columns=list("abcde"))


def numbers(inputs):
    """Inputs of any door as rows of numbers."""
    if isinstance(inputs, list):
        return np.array(
            [[word in text for word in ["one", "two", "three", "four", "five"]] for text in inputs], dtype=float
        )
    return np.asarray(inputs, dtype=float).reshape(len(inputs), -1)


def wide(n=30):
    return np.random.default_rng(1).normal(size=(n, 12))


IMAGE = np.arange(16.0).reshape(4, 4)
DOORS = {
    "neighbours": lambda f: pellucid.explain(f, frame()[:2], background=frame(), neighbours=5),
    "groups": lambda f: pellucid.explain(f, frame()[:2], background=frame(), groups={"g": ["a", "b"]}),
    "exact pairs": lambda f: pellucid.interactions(f, frame()[:2], background=frame(), method="exact"),
    "sampled pairs": lambda f: pellucid.interactions(f, wide()[:2], background=wide(5), budget=150),
    "text": lambda f: pellucid.explain_text(f, "one two three four five"),
    "text lime": lambda f: pellucid.explain_text(f, "one two three four five", method="lime"),
    "image": lambda f: pellucid.explain_image(f, IMAGE, segments=pellucid.superpixels(IMAGE, n_segments=4)),
    "masked lime": lambda f: pellucid.explain(f, wide()[:1], background=wide(3), method=pellucid.MaskedLime()),
    "owen": lambda f: pellucid.explain(f, frame()[:2], background=frame(), method=pellucid.Owen([["a", "b"]])),
    "counterfactuals": lambda f: pellucid.counterfactuals(f, frame()[:2], background=frame(), target=(0.5, None)),
    "sage": lambda f: pellucid.importance(f, frame(), np.ones(30), measure="sage", background=frame(4)),
    "pdp": lambda f: pellucid.pdp(f, frame(), "a"),
}
BAD = {
    "text": lambda Z: ["a"] * len(Z),
    "nan": lambda Z: np.full(len(Z), np.nan),
    "infinity": lambda Z: np.full(len(Z), np.inf),
    "none": lambda Z: None,
    "one too few": lambda Z: Z.sum(axis=1)[:-1],
    "rank 3": lambda Z: np.ones((len(Z), 2, 2)),
    "no outputs": lambda Z: np.ones((len(Z), 0)),
    "a dict": lambda Z: {"a": 1},
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_output_is_named(door, bad):
    with pytest.raises(ModelError, match=r"must return|returned NaN, infinity or numbers beyond"):
        DOORS[door](lambda inputs: BAD[bad](numbers(inputs)))


@pytest.mark.parametrize("door", DOORS)
def test_a_list_of_numbers_is_an_output(door):
    DOORS[door](lambda inputs: numbers(inputs).sum(axis=1).tolist())


@pytest.mark.parametrize("door", DOORS)
def test_a_model_s_own_error_keeps_its_cause(door):
    def fails(inputs):
        raise KeyError("x" * 5000)

    with pytest.raises(ModelError, match="KeyError") as caught:
        DOORS[door](fails)
    assert len(str(caught.value)) < 700
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("door", DOORS)
def test_a_model_that_is_not_deterministic_is_named(door):
    rng = np.random.default_rng(0)
    with pytest.raises((AdditivityError, ModelError), match=r"is not deterministic|another output|gave other outputs"):
        DOORS[door](lambda inputs: rng.normal(size=len(inputs)))


@pytest.mark.parametrize("door", DOORS)
def test_ctrl_c_in_the_middle_goes_through_and_changes_nothing(door):
    calls, state = [], np.random.get_state()  # noqa: NPY002 - the state that nobody may touch

    def counted(inputs):
        calls.append(len(inputs))
        return numbers(inputs).sum(axis=1)

    DOORS[door](counted)
    last = len(calls)
    expected, settings = frame(), np.geterr()
    given = frame()
    for stop in {1, (last + 1) // 2, last}:
        calls.clear()

        def stopped(inputs, stop=stop):
            if len(calls) + 1 == stop:
                raise KeyboardInterrupt
            return counted(inputs)

        with pytest.raises(KeyboardInterrupt):
            DOORS[door](stopped)
    assert given.equals(expected)
    assert np.geterr() == settings
    assert all(np.array_equal(a, b) for a, b in zip(state, np.random.get_state(), strict=True))  # noqa: NPY002


@pytest.mark.parametrize("option", [{"neighbours": 4}, {"groups": {"g": ["a", "b"]}}, {"method": "exact"}])
def test_rows_are_the_model_s_to_spoil_and_the_caller_s_stay(option):
    def spoils(X):
        X.iloc[:, :] = np.asarray(X) * 2
        return np.asarray(X).sum(axis=1)

    given, background = frame(4), frame(9)
    kept = given.copy(), background.copy()
    door = pellucid.interactions if "method" in option else pellucid.explain
    found = door(spoils, given, background=background, **option)
    assert given.equals(kept[0])
    assert background.equals(kept[1])
    np.testing.assert_allclose(found.prediction[:, 0], 2 * given.to_numpy().sum(axis=1), atol=1e-9)
