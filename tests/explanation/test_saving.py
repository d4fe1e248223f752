"""Save and load: the same bits back, whatever they were; nothing bad gets in, nothing is overwritten."""

import datetime
import decimal
import io
import json
import os
import stat
import zipfile

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid._base.errors import FileError
from pellucid.explanation import Effect, Evaluations, Explanation, Importance, Interactions, Provenance, Quality
from pellucid.ir import Space
from pellucid.table import Table
from pellucid.testing.containers import mixed_containers, numeric_containers

SQUARE = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 4.0], [5.0, 6.0, 0.5]])
quick = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def bits(value):
    return None if value is None else (value.dtype.str, value.shape, value.tobytes())


def same_table(one, two):
    assert (one is None) == (two is None)
    if one is not None:
        assert (one.names, one.kinds, len(one), one.by_name) == (two.names, two.kinds, len(two), two.by_name)
        assert one.digest() == two.digest(), (one.native, two.native)
        assert [repr(one.column(n).tolist()) for n in one.names] == [repr(two.column(n).tolist()) for n in two.names]


def same(one, two):
    for name in ("values", "base_values", "std_error"):
        assert bits(getattr(one, name)) == bits(getattr(two, name))
    assert (one.features, one.outputs, one.space) == (two.features, two.outputs, two.space)
    assert one.provenance == two.provenance
    assert repr(one.quality) == repr(two.quality)
    same_table(one.data, two.data)


@quick
@given(data=st.data())
def test_any_explanation_comes_back(tmp_path_factory, explanations, data):
    explanation = data.draw(explanations)
    path = tmp_path_factory.mktemp("saved") / "x.pellucid"
    explanation.save(path)
    loaded = Explanation.load(path)
    same(explanation, loaded)
    loaded.save(path.with_name("again"))
    assert path.read_bytes() == path.with_name("again").read_bytes()
    assert sorted(os.listdir(path.parent)) == ["again", "x.pellucid"]


@pytest.mark.parametrize("name", sorted(mixed_containers()))
def test_frames_of_every_library_come_back_as_pandas(tmp_path, make, name):
    native = mixed_containers()[name]
    explanation = make(4, data=native)
    loaded = Explanation.load(explanation.save(tmp_path / "x"))
    same(explanation, loaded)
    assert isinstance(loaded.data.native, pd.DataFrame)
    if isinstance(native, pd.DataFrame):
        assert list(loaded.data.native["grade"].cat.categories) == ["c", "b", "a"]
        assert loaded.data.native["grade"].cat.ordered == native["grade"].cat.ordered


@pytest.mark.parametrize("name", sorted(numeric_containers(SQUARE, ("a", "b", "c"))))
def test_arrays_come_back_as_arrays(tmp_path, make, name):
    native = numeric_containers(SQUARE, ("a", "b", "c"))[name]
    explanation = make(3, data=native)
    loaded = Explanation.load(explanation.save(tmp_path / "x")).data
    same_table(explanation.data, loaded)
    assert isinstance(loaded.native, np.ndarray) == isinstance(Table.of(native).native, np.ndarray)
    if isinstance(loaded.native, np.ndarray):
        assert loaded.native.dtype == Table.of(native).native.dtype


def test_pandas_dtypes_come_back(tmp_path, make):
    frame = pd.DataFrame(
        {
            "i": np.array([1, 2**62 + 1, -5], dtype=np.int64),
            "u": pd.array([2**63 + 1, None, 3], dtype="UInt64"),
            "f": np.array([1.5, np.nan, -0.0], dtype=np.float32),
            "b": [True, False, True],
            "B": pd.array([True, None, False], dtype="boolean"),
            "s": ["a", None, "\u202e</script>"],
            "S": pd.array(["a", None, ""], dtype="string"),
            "o": pd.Series([1, "a", datetime.date(2020, 1, 1)], dtype=object),
            "k": pd.Series([decimal.Decimal("1.10"), b"\x00", datetime.time(12, 30)], dtype=object),
            "c": pd.Categorical([2, None, 1], categories=[3, 2, 1], ordered=True),
            "d": np.array(["2020-01-01", "NaT", "1999-12-31"], dtype="datetime64[ns]"),
            "t": pd.to_timedelta(np.array([1, 2, 3]), unit="s"),
            "z": pd.to_datetime(["2020-01-01 12:00"] * 3).tz_localize("Europe/Berlin"),
        }
    )
    explanation = make(3, data=frame)
    loaded = Explanation.load(explanation.save(tmp_path / "x"))
    pd.testing.assert_frame_equal(loaded.data.native, frame)
    same(explanation, loaded)


def test_no_rows_and_no_data(tmp_path, make):
    for number, data in enumerate((None, np.zeros((0, 3)), pd.DataFrame({"a": [], "b": pd.array([], dtype="string")}))):
        explanation = make(0, data=data)
        same(explanation, Explanation.load(explanation.save(tmp_path / str(number))))


def test_numbers_that_json_does_not_know(tmp_path, make):
    parts = {name: getattr(make(), name) for name in make().__dataclass_fields__}
    quality = Quality(
        residual=np.nan,
        bound=None,
        local_r2=np.array([[0.5], [np.nan], [1]]),
        warnings=("careful",),
        evaluations=Evaluations(),
    )
    provenance = Provenance(
        method="m",
        reason="r",
        model="x",
        parameters={"inf": np.inf, "n": np.int64(3), "f": len, "t": (1, "a")},
        seconds=1e-300,
    )
    explanation = Explanation(**parts | {"quality": quality, "provenance": provenance, "space": Space.LOG_ODDS})
    loaded = Explanation.load(explanation.save(tmp_path / "x"))
    assert np.isnan(loaded.quality.residual)
    assert bits(loaded.quality.local_r2) == bits(quality.local_r2)
    assert loaded.quality.warnings == ("careful",)
    assert loaded.provenance.parameters == {"inf": np.inf, "n": 3, "f": repr(len), "t": [1, "a"]}
    assert loaded.space is Space.LOG_ODDS


def test_the_other_answers_are_saved_too(tmp_path, make):
    importance = make(20).importance()
    loaded = Importance.load(importance.save(tmp_path / "importance"))
    assert [bits(getattr(loaded, n)) for n in ("values", "low", "high")] == [
        bits(getattr(importance, n)) for n in ("values", "low", "high")
    ]
    assert (loaded.measure, loaded.n_rows, loaded.space) == (importance.measure, 20, Space.RAW)
    for grid in (np.array([1.0, 2.0]), np.array(["a", "b"]), np.array(["a", 2], dtype=object)):
        effect = Effect(
            feature="f",
            kind="ice",
            grid=grid,
            values=np.zeros((2, 1)),
            outputs=("y",),
            space=Space.RAW,
            n_rows=3,
            provenance=importance.provenance,
            individual=np.ones((3, 2, 1)),
        )
        effect.save(tmp_path / "effect", force=True)
        found = Effect.load(tmp_path / "effect")
        assert found.grid.tolist() == grid.tolist()
        assert bits(found.individual) == bits(effect.individual)
        assert found.low is None
    interactions = Interactions(
        values=np.ones((2, 3, 3, 1)),
        base_values=np.zeros((2, 1)),
        features=("a", "b", "c"),
        outputs=("y",),
        space=Space.RAW,
        quality=Quality(residual=0.0, bound=0.0),
        provenance=importance.provenance,
        data=Table.of(pl.DataFrame({"a": [1, 2]})),
    )
    back = Interactions.load(interactions.save(tmp_path / "interactions"))
    assert bits(back.values) == bits(interactions.values)
    same_table(back.data, interactions.data)
    with pytest.raises(FileError, match="holds 'Importance', not 'Explanation'"):
        Explanation.load(tmp_path / "importance")


def test_nothing_is_overwritten_and_nothing_half_written(tmp_path, make, monkeypatch):
    path = tmp_path / "x"
    make(seed=1).save(path)
    before = path.read_bytes()
    with pytest.raises(FileError, match="already exists"):
        make(seed=2).save(path)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(FileError, match="No space left"):
        make(seed=2).save(path, force=True)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x"]
    make(seed=2).save(path, force=True)
    assert path.read_bytes() != before
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~current_umask()
    for nowhere in (tmp_path / "no" / "x", path / "x"):
        with pytest.raises(FileError, match="cannot be written"):
            make().save(nowhere)


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_cells_without_a_form_are_refused_before_a_file_is_made(tmp_path, make):
    frame = pd.DataFrame({"a": pd.cut([1.0, 2.0, 3.0], 2)})
    with pytest.raises(FileError, match="cells of type Interval"):
        make(data=frame).save(tmp_path / "x")
    assert os.listdir(tmp_path) == []


def rewritten(path, change):
    """The archive with its members changed by `change(members)`."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members = change(members) or members
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    path.write_bytes(buffer.getvalue())


def edited(change):
    """Change the JSON document in place."""

    def apply(members):
        document = json.loads(members["explanation.json"])
        change(document)
        members["explanation.json"] = json.dumps(document).encode()

    return apply


def npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


def lying_header(members):
    members["0.npy"] = npy(np.zeros((3, 3, 1))).replace(b"(3, 3, 1)", b"(9, 9, 9)")


def content(document):
    return document["content"]["map"]


def table(document):
    return content(document)["data"]["map"]


DAMAGE = {
    "newer": (edited(lambda d: d.update(schema=2)), "install a newer pellucid"),
    "no schema": (edited(lambda d: d.pop("schema")), "no schema version"),
    "not ours": (edited(lambda d: d.update(format="x")), "not written by pellucid"),
    "a list": (lambda m: m.update({"explanation.json": b"[]"}), "not written by pellucid"),
    "not json": (lambda m: m.update({"explanation.json": b"{"}), "damaged"),
    "deep json": (lambda m: m.update({"explanation.json": b"[" * 200_000}), "damaged"),
    "no json": (lambda m: {k: v for k, v in m.items() if k != "explanation.json"}, "has no explanation.json"),
    "extra member": (lambda m: m.update({"../evil.py": b"x"}), "do not belong"),
    "array lost": (lambda m: {k: v for k, v in m.items() if k != "0.npy"}, "damaged"),
    "array cut": (lambda m: m.update({"0.npy": m["0.npy"][:-1]}), "not as long"),
    "array lies": (lying_header, "not as long"),
    "array of objects": (lambda m: m.update({"0.npy": npy(np.array([print], dtype=object))}), "not as long"),
    "not an array": (lambda m: m.update({"0.npy": b"x"}), "damaged"),
    "wrong shape": (lambda m: m.update({m_largest(m): npy(np.zeros((2, 2, 2)))}), "must have shape"),
    "field lost": (edited(lambda d: content(d).pop("space")), "has the fields"),
    "field added": (edited(lambda d: content(d).update(more=1)), "has the fields"),
    "wrong space": (edited(lambda d: content(d).update(space="mars")), "space must be one of"),
    "names as text": (edited(lambda d: content(d).update(features="abc")), "list of text"),
    "names doubled": (edited(lambda d: content(d).update(features=["a", "a", "c"])), "more than one"),
    "unknown entry": (edited(lambda d: content(d).update(features={"pickle": "x"})), "unknown kind 'pickle'"),
    "table: kinds": (edited(lambda d: table(d).update(kinds=["number", "number"])), "do not match"),
    "table: unknown kind": (edited(lambda d: table(d).update(kinds=["number", "string", "soul"])), "do not match"),
    "table: wrong kind": (edited(lambda d: table(d).update(kinds=["number", "number", "number"])), "not of the kind"),
    "table: rows": (edited(lambda d: table(d).update(rows=2)), "longer or shorter"),
    "table: names": (edited(lambda d: table(d).update(names=["a", "b"])), "another number of columns"),
    "table: dtype": (
        edited(lambda d: table(d)["columns"][1]["map"].update(dtype="category")),
        "unknown dtype",
    ),
    "table: codes": (
        edited(lambda d: table(d)["columns"][2]["map"].update(categories=[])),
        "damaged",
    ),
}


def m_largest(members):
    return max((name for name in members if name.endswith(".npy")), key=lambda name: len(members[name]))


@pytest.mark.parametrize("name", sorted(DAMAGE))
def test_damaged_files_are_refused_with_a_sentence(tmp_path, make, name):
    change, sentence = DAMAGE[name]
    data = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "z"], "c": pd.Categorical(["p", "q", "p"])})
    path = make(3, data=data).save(tmp_path / "x")
    rewritten(path, change)
    with pytest.raises(FileError, match=sentence):
        Explanation.load(path)


def test_files_that_are_no_archives_are_refused(tmp_path):
    for number, raw in enumerate((b"", b"PK", b"text", os.urandom(1000))):
        path = tmp_path / str(number)
        path.write_bytes(raw)
        with pytest.raises(FileError, match="not a saved pellucid"):
            Explanation.load(path)
    for nowhere in (tmp_path / "missing", tmp_path):
        with pytest.raises(FileError, match="cannot be read"):
            Explanation.load(nowhere)


def test_bombs_are_refused_unopened(tmp_path, make):
    path = make().save(tmp_path / "x")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("9.npy", b"\0" * 10_000_000)
    with pytest.raises(FileError, match="compressed or encrypted"):
        Explanation.load(path)


@quick
@given(data=st.data())
def test_a_flipped_byte_is_a_sentence_or_the_same_answer(tmp_path_factory, make, data):
    path = make(3, data=pd.DataFrame({"a": ["x", None, "y"]})).save(tmp_path_factory.mktemp("flip") / "x")
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(raw))
    try:
        loaded = Explanation.load(path)
    except FileError:
        return
    same(make(3, data=pd.DataFrame({"a": ["x", None, "y"]})), loaded)
