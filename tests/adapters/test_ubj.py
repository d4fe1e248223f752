"""Universal Binary JSON: what an encoder written from the specification made is read back; damage is refused."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ubj_encoder import NUMBERS, encoded

from pellucid._base.errors import InputError
from pellucid.adapters import ubj


def same(a, b):
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return a.dtype == np.asarray(b).dtype.newbyteorder("=") and np.array_equal(a, b, equal_nan=True)
    return type(a) is type(b) and a == b


arrays = st.builds(
    lambda code, raw: np.array([v % 100 for v in raw]).astype(code),
    st.sampled_from(list(NUMBERS.values())),
    st.lists(st.integers(0, 10**6), max_size=4),
)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=5)
)
names = st.sampled_from(["id", "left", "sizes", "é"])
documents = st.recursive(
    scalars | arrays,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=24,
)
alike = st.lists(
    st.fixed_dictionaries({"id": scalars, "left": arrays, "deep": st.fixed_dictionaries({"x": arrays | scalars})})
)
"""Lists of mappings with the same keys, and values of types that change: how trees are stored."""


@given(documents | alike, st.booleans(), st.booleans())
def test_what_was_encoded_is_read_back(document, lists, mappings):
    assert same(document, ubj.loads(encoded(document, lists, mappings)))


@given(documents | alike, st.booleans(), st.booleans(), st.data())
def test_every_cut_and_every_changed_byte_is_read_or_refused(document, lists, mappings, data):
    whole = encoded(document, lists, mappings)
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
    with pytest.raises(InputError):
        ubj.loads(whole[:at])
    with contextlib.suppress(InputError):  # nothing else may come out, and it may well be a document again
        ubj.loads(damaged)


def test_nested_lists_of_mappings_that_differ_at_their_end_are_read_once():
    document = {"a": 1, "b": None}
    for _ in range(30):  # read again after each surprise, this would take 2**30 steps
        document = {"a": [{"a": 1, "b": 2}, document], "b": None}
    assert same(document, ubj.loads(encoded(document)))


def test_nesting_has_an_end():
    with pytest.raises(InputError, match="nested more than 64 deep"):
        ubj.loads(b"[" * 1000 + b"]" * 1000)
