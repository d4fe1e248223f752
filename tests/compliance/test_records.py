"""Records made here are made again elsewhere; whatever is changed is found, and named."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from skops.io import dump

import pellucid
from pellucid import FileError, InputError, Record, Recorder, UnsupportedRequestError, verify
from pellucid.compliance.fingerprints import model_digest, row_digests
from pellucid.table import Table


@pytest.fixture(scope="module")
def made(hmda, mortgage_model):
    background, rows = hmda.X.head(60), hmda.X.iloc[100:160]
    return Recorder(mortgage_model, background)(rows), rows, background


def test_bits_come_back_in_another_process_order_and_thread_count(made, mortgage_model, tmp_path):
    records, rows, background = made
    dump(mortgage_model, tmp_path / "model.skops")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    background.to_csv(tmp_path / "background.csv", index=False)
    records[7].save(tmp_path / "record.json")
    (tmp_path / "all.json").write_text(json.dumps([record.to_dict() for record in records]))
    code = """
import json, sys, pandas as pd, pellucid
X, background = pd.read_csv("rows.csv"), pd.read_csv("background.csv")
model = pellucid.load_model("model.skops")
records = [pellucid.Record.from_dict(c) for c in json.load(open("all.json"))]
many = pellucid.verify(records[::-1], model, X=X.iloc[::-1], background=background, n_jobs=2)
one = pellucid.verify(pellucid.Record.load("record.json"), model, X=X, background=background, n_jobs=1)
print(many.ok, many.n, many.same_bits, many.largest_difference, one.ok, one.same_bits)
"""
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "9"},
    )
    assert told.stdout.split() == ["True", "60", "60", "0.0", "True", "1"]


def test_each_changed_part_is_named(made, mortgage_model, hmda):
    records, rows, background = made
    record = records[3]

    def parts(records=record, model=mortgage_model, X=rows, background=background):
        return [difference.part for difference in verify(records, model, X=X, background=background).differences]

    assert parts() == []
    nudged = rows.copy()
    nudged.iloc[3, 0] = np.nextafter(nudged.iloc[3, 0], 9.0)
    assert parts(X=nudged) == ["row"]
    other = background.copy()
    other.iloc[5, 0] = np.nextafter(other.iloc[5, 0], 9.0)
    assert parts(background=other) == ["background"]
    assert parts(replace(record, values=((9.0, 9.0), *record.values[1:]))) == ["values"]
    assert parts(replace(record, configuration={**record.configuration, "method": "magic"})) == ["configuration"]


def test_one_changed_leaf_of_the_model_is_found(made, mortgage_model, tmp_path):
    records, rows, background = made
    dump(mortgage_model, tmp_path / "model.skops")
    changed = pellucid.load_model(tmp_path / "model.skops")
    assert verify(records, changed, X=rows, background=background).same_bits == len(records)
    leaves = changed.steps[-1][1]._predictors[11][0].nodes["value"]
    leaves[-1] = np.nextafter(leaves[-1], 9.0)
    found = verify(records, changed, X=rows, background=background)
    assert {difference.part for difference in found.differences} == {"model"}
    assert "the model differs" in " ".join(found.sentences())


@pytest.mark.parametrize(
    ("edit", "part"),
    [
        (lambda c: c["configuration"].update(random_state=1), "configuration"),
        (lambda c: c["values"][0].__setitem__(0, c["values"][0][0] + 1e-15), "values"),
        (lambda c: c.update(tolerance=9.0), "values"),
        (lambda c: c.update(time="2020-01-01T00:00:00+00:00"), "record"),
        (lambda c: c.update(reference="somebody else"), "record"),
    ],
)
def test_a_record_file_that_was_edited_is_found(made, mortgage_model, tmp_path, edit, part):
    records, rows, background = made
    path = records[0].save(tmp_path / "record.json")
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    found = verify(Record.load(path), mortgage_model, X=rows, background=background)
    assert [difference.part for difference in found.differences] == [part]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"seals": {}}', "\x00", '{"seals": 3, "schema": 1}'])
def test_damaged_record_files_are_refused(tmp_path, text):
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(FileError, match="no record, or is damaged"):
        Record.load(tmp_path / "record.json")


def test_saving_does_not_overwrite(made, tmp_path):
    made[0][0].save(tmp_path / "record.json")
    with pytest.raises(FileError, match="already exists"):
        made[0][0].save(tmp_path / "record.json")
    made[0][1].save(tmp_path / "record.json", force=True)
    assert Record.load(tmp_path / "record.json").record == made[0][1]


def test_a_record_holds_no_cell_of_its_row(hmda, mortgage_model):
    row = hmda.X.head(1).assign(pirat=0.123456789, lvrat=0.987654321)
    text = json.dumps([r.to_dict() for r in Recorder(mortgage_model, hmda.X.head(30))(row, references=["case 7"])])
    assert "0.123456789" not in text
    assert "0.987654321" not in text
    assert "case 7" in text


def test_sampled_explanations_and_functions_come_back_too():
    X = np.random.default_rng(0).normal(size=(40, 13))

    def score(rows):
        return np.tanh(rows.sum(axis=1))

    recorder = Recorder(score, X[:10], method="shapley", budget=400, random_state=5)
    records = recorder(X[10:14])
    assert records[0].model.startswith("answers:")
    assert verify(records, score, X=X, background=X[:10]).same_bits == 4
    other = verify(records, lambda rows: score(rows) * 1.001, X=X, background=X[:10])
    assert {difference.part for difference in other.differences} == {"model"}


def test_outputs_that_differ_a_little_pass_within_tolerance_only(made, mortgage_model):
    records, rows, background = made
    record = records[0]
    near = replace(record, base_values=tuple(value + 0.4 * record.tolerance for value in record.base_values))
    far = replace(record, base_values=tuple(value + 3.0 * record.tolerance for value in record.base_values))
    found = verify([near, far], mortgage_model, X=rows, background=background)
    assert [(d.position, d.part) for d in found.differences] == [(1, "values")]
    assert found.same_bits == 0


def test_row_hashes_do_not_depend_on_container_dtype_or_company():
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "y"], "c": [True, False, True]})
    expected = row_digests(Table.of(frame))
    assert row_digests(Table.of(frame.iloc[[1]])) == [expected[1]]
    assert row_digests(Table.of(frame.astype({"a": "float32", "b": "category"}))) == expected
    assert len(set(expected)) == 3
    assert row_digests(Table.of(frame.rename(columns={"a": "z"})))[0] != expected[0]
    swapped = pd.DataFrame({"a": ["ab", "a"], "b": ["c", "bc"]})
    assert len(set(row_digests(Table.of(swapped)))) == 2


@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost", "forest"])
def test_model_hashes_survive_copies_of_every_library(hmda, library):
    import copy

    X, y = hmda.X.select_dtypes("number"), (hmda.y == "yes").astype(int)
    model = _fitted(library, X, y)
    table = Table.of(X.head(50))
    first = model_digest(model, table)
    assert first == model_digest(copy.deepcopy(model), table)
    assert first != model_digest(_fitted(library, X, 1 - y), table)


def _fitted(library, X, y):
    if library == "forest":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(n_estimators=5, random_state=0).fit(X, y)
    module = __import__(library)
    quiet = {"lightgbm": {"verbose": -1}, "catboost": {"verbose": 0, "allow_writing_files": False}, "xgboost": {}}
    name = {"lightgbm": "LGBMClassifier", "catboost": "CatBoostClassifier", "xgboost": "XGBClassifier"}[library]
    return getattr(module, name)(n_estimators=5, **quiet[library]).fit(X, y)


def test_what_cannot_be_recorded_is_refused(made, mortgage_model):
    _, rows, background = made

    class Mine(pellucid.Tree):
        pass

    with pytest.raises(UnsupportedRequestError, match="own methods"):
        Recorder(mortgage_model, background, method=Mine())
    with pytest.raises(InputError, match="background="):
        Recorder(mortgage_model, None)
    with pytest.raises(InputError, match="records, or a RecordLog of them; got int"):
        verify(3, mortgage_model, X=rows, background=background)
    with pytest.raises(InputError, match="one name for each"):
        Recorder(mortgage_model, background)(rows, references=["a"])


def test_a_record_cannot_claim_its_own_tolerance(made, mortgage_model):
    records, rows, background = made
    moved = tuple(tuple(value + 0.5 for value in row) for row in records[2].values)
    forged = replace(records[2], values=moved, tolerance=10.0)
    assert [d.part for d in verify(forged, mortgage_model, X=rows, background=background).differences] == ["values"]


@pytest.mark.parametrize("field", ["values", "base_values", "prediction", "tolerance"])
def test_numbers_that_are_none_are_refused(made, field):
    content = json.loads(json.dumps(made[0][0].to_dict()))
    content[field] = {"values": [[float("nan")]], "tolerance": float("inf")}.get(field, [float("nan")])
    with pytest.raises(InputError, match="finite"):
        Record.from_dict(content)
