"""Damaged ensembles are refused before any kernel walks them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid._base.errors import InputError
from pellucid._kernels import _native
from pellucid.ir import TreeEnsemble
from pellucid.testing.strategies import random_subject


def ensemble() -> TreeEnsemble:
    return TreeEnsemble(
        roots=np.array([0]),
        left=np.array([1, -1, 3, -1, -1]),
        right=np.array([2, -1, 4, -1, -1]),
        feature=np.array([0, -1, 1, -1, -1]),
        threshold=np.array([0.5, 0, 0.5, 0, 0]),
        missing_left=np.zeros(5, dtype=bool),
        cover=np.array([4.0, 1, 3, 1, 2]),
        value=np.array([[0.0], [0], [0], [4], [12]]),
        output=np.array([0]),
        base=np.array([0.0]),
        n_columns=2,
        less_equal=False,
    )


DAMAGE = [
    ({"left": [1, -1, 9, -1, -1]}, "outside"),
    ({"left": [1, -1, -2, -1, -1]}, "outside"),
    ({"left": [1, -1, 0, -1, -1]}, "more than once"),
    ({"left": [1, -1, 1, -1, -1]}, "more than once"),
    ({"left": [1, 3, 3, -1, -1]}, "leaf has children"),
    ({"roots": [5]}, "outside"),
    ({"roots": [0, 0], "output": [0, 0]}, "more than once"),
    ({"roots": [0, 0]}, "one output position"),
    ({"roots": np.zeros(0, dtype=int), "output": np.zeros(0, dtype=int)}, "not at all"),
    ({"feature": [0, -1, 2, -1, -1]}, "beyond the 2 columns"),
    ({"feature": [0.0, -1, 1, -1, -1]}, "feature must hold int32; got float64"),
    ({"feature": [0, -1, 2**40, -1, -1]}, "beyond int32"),
    ({"feature": [0, -1, 1, -1]}, "differ in length"),
    ({"threshold": [np.nan, 0, 0, 0, 0]}, "threshold that is not a number"),
    ({"missing_left": [0, 0, 0, 0, 0]}, "missing_left must hold bool"),
    ({"cover": [1.0, -1, 1, 1, 1]}, "cover that is negative"),
    ({"cover": [1.0, np.nan, 1, 1, 1]}, "cover that is negative, missing"),
    ({"cover": [1.0, np.inf, 1, 1, 1]}, "beyond"),
    ({"value": [[0.0], [np.inf], [0], [4], [12]]}, "not a finite number"),
    ({"value": [[0.0], [1e301], [0], [4], [12]]}, "not a finite number"),
    ({"value": [0.0, 0, 0, 4, 12]}, "value must have 2 dimension"),
    ({"value": np.zeros((5, 2))}, "writes to an output"),
    ({"output": [-1]}, "writes to an output"),
    ({"output": [1]}, "writes to an output"),
    ({"base": [np.nan]}, "not a finite number"),
    ({"input_dtype": "float16"}, "'float32' or 'float64'"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGE)
def test_damage_is_refused_with_a_sentence(damage, message: str) -> None:
    damage = {name: value if isinstance(value, str) else np.array(value) for name, value in damage.items()}
    with pytest.raises(InputError, match=message):
        replace(ensemble(), **damage)


def test_a_cycle_apart_from_the_roots_is_refused() -> None:
    """Node 0 is a tree; nodes 1 and 2 are each other's child, so each node is reached once."""
    with pytest.raises(InputError, match="cycle"):
        replace(
            ensemble(),
            left=np.array([-1, 2, 1, -1, -1]),
            right=np.array([-1, 3, 4, -1, -1]),
            feature=np.array([-1, 0, 0, -1, -1]),
        )


def test_what_was_checked_cannot_change_afterwards() -> None:
    left = np.array([1, -1, 3, -1, -1])
    trees = replace(ensemble(), left=left)
    left[0] = 99
    assert trees.left[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        trees.left[0] = 99


def test_levels_trees_and_scale_by_hand() -> None:
    trees = ensemble()
    assert trees.tree_and_level[1].tolist() == [0, 1, 1, 2, 2]
    assert trees.depth == 2
    assert trees.leaf_sizes().tolist() == [12.0]
    assert trees.has_covers
    assert not replace(trees, cover=np.zeros(5)).has_covers


@given(
    seed=st.integers(0, 2**32 - 1),
    name=st.sampled_from(["roots", "left", "right", "feature", "output"]),
    value=st.integers(-3, 200),
)
def test_random_damage_is_refused_or_still_trees(seed: int, name: str, value: int) -> None:
    """Whatever passes the checks here passes the kernel's own, and predicts."""
    s = random_subject(seed)
    array = np.array(getattr(s.trees, name))
    array[np.random.default_rng(seed).integers(len(array))] = value
    try:
        trees = replace(s.trees, **{name: array})
    except InputError:
        return
    native(trees, s.groups.astype(np.int32), s.n_features)
    assert np.isfinite(trees.predict(s.rows)).all()


@pytest.mark.parametrize("name", ["left", "right", "roots", "feature", "output", "player"])
@pytest.mark.parametrize("value", [-7, 0, 10**6])
def test_the_kernels_own_check_refuses_what_would_walk_astray(name: str, value: int) -> None:
    """Reached only past `TreeEnsemble`, so it raises a plain ValueError."""
    if (name, value) in [("roots", 0), ("feature", 0), ("output", 0), ("player", 0), ("feature", -7)]:
        return  # still trees
    with pytest.raises(ValueError, match="not trees"):
        native(ensemble(), np.array([0, 1], dtype=np.int32), 2, **{name: value})


def native(trees: TreeEnsemble, groups, n_features: int, **first_entry: int) -> _native.Ensemble:
    arrays = {
        name: np.array(getattr(trees, name))
        for name in (
            "roots",
            "left",
            "right",
            "feature",
            "threshold",
            "missing_left",
            "cover",
            "value",
            "output",
            "base",
        )
    }
    arrays["player"] = groups
    arrays |= {name: np.zeros(0, dtype=np.int32) for name in ("bits_begin", "bits_words")}
    arrays |= {"bits": np.zeros(0, dtype=np.uint32), "other_left": np.zeros(0, dtype=bool)}
    for name, value in first_entry.items():
        arrays[name][0] = value
    return _native.Ensemble(**arrays, n_players=n_features, less_equal=trees.less_equal, float32_inputs=False)
