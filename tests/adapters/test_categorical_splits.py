"""Categorical splits of `TreeEnsemble`: routing against a set in plain Python, and refusals."""

from typing import Any

import numpy as np
import pytest

from pellucid._base.errors import InputError
from pellucid.ir import TreeEnsemble

SETS = ({0, 31, 32, 64, 65}, {1, 33}, {1000})
OTHER_LEFT = (False, True, False)
VALUES = [-(2.0**40), -1.0, -0.5, 0.0, 0.5, 1, 30, 31, 31.9, 32, 33, 63, 64, 65, 95, 96, 999, 1000, 1001, 1e300, np.inf]


def stump(**changes: Any) -> TreeEnsemble:
    """Three trees of one categorical split each; the leaves say which way a row went."""
    words = [3, 2, 32]
    bits = np.zeros(sum(words), dtype=np.uint32)
    begin = [0, 3, 5]
    for start, members in zip(begin, SETS, strict=True):
        for member in members:
            bits[start + member // 32] |= np.uint32(1 << member % 32)
    node = np.arange(9)
    root = node % 3 == 0
    arrays = {
        "roots": node[root],
        "left": np.where(root, node + 1, -1),
        "right": np.where(root, node + 2, -1),
        "feature": np.where(root, 0, -1),
        "threshold": np.zeros(9),
        "missing_left": node == 3,
        "cover": np.ones(9),
        "value": (node % 3 == 1)[:, None] * 1.0,
        "output": np.arange(3),
        "base": np.zeros(3),
        "n_columns": 1,
        "less_equal": True,
        "bits": bits,
        "bits_begin": np.where(root, np.array(begin)[node // 3], -1),
        "bits_words": np.where(root, np.array(words)[node // 3], 0),
        "other_left": np.where(root, np.array(OTHER_LEFT)[node // 3], False),
    }
    return TreeEnsemble(**(arrays | changes))


def test_routing_is_membership_in_the_set() -> None:
    trees = stump()
    went_left = trees.predict(np.array(VALUES)[:, None]).astype(bool)
    for value, row in zip(VALUES, went_left, strict=True):
        for k, members in enumerate(SETS):
            words = (3, 2, 32)[k]
            inside = -1 < value < 32 * words
            assert row[k] == (int(value) in members if inside else OTHER_LEFT[k]), (value, k)


def test_missing_goes_the_missing_way() -> None:
    assert stump().predict(np.array([[np.nan]])).tolist() == [[0.0, 1.0, 0.0]]


def test_float32_inputs_are_rounded_before_the_cut() -> None:
    rows = np.array([[np.nextafter(1000.0, 0)]])
    assert stump().predict(rows)[0, 2] == 0
    assert stump(input_dtype="float32").predict(rows)[0, 2] == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bits": None}, "alone"),
        ({"bits": np.zeros(36, dtype=np.uint32)}, "outside the 36 words"),
        ({"bits": np.full(37, -1)}, "beyond uint32"),
        ({"bits": np.full(37, 2**32)}, "beyond uint32"),
        ({"bits_words": np.zeros(9, dtype=int)}, "at least one word"),
        ({"bits_words": np.where(np.arange(9) % 3 == 0, 2**31 - 1, 0)}, "outside"),
        ({"bits_begin": np.where(np.arange(9) % 3 == 0, 2**31 - 1, -1)}, "outside"),
        ({"bits_begin": np.full(9, -2)}, "at least one word"),
        ({"bits_begin": np.zeros(9, dtype=int)}, "a leaf has a set"),
        ({"other_left": np.zeros(8, dtype=bool)}, "one entry for each"),
    ],
)
def test_sets_that_do_not_fit_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        stump(**changes)
