"""The command line as a person meets it: one sentence per failure, exit codes 0, 1 and 2."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from skops.io import dump


def pellucid(*arguments, cwd, **environment):
    """Run the command in a new process, as a user does."""
    return subprocess.run(
        [sys.executable, "-c", "from pellucid.cli import main; main()", *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model file and a table with mixed types and missing values."""
    place = tmp_path_factory.mktemp("command_line")
    rng = np.random.default_rng(0)
    n = 400
    frame = pd.DataFrame(
        {
            "income": rng.lognormal(10, 0.5, n).round(2),
            "ratio": rng.uniform(0, 1, n).round(3),
            "job": rng.choice(["clerk", "nurse", "none"], n),
            "group": rng.choice(["a", "b"], n),
        }
    )
    deny = (frame["ratio"] + 0.3 * (frame["job"] == "none") + rng.normal(0, 0.2, n) > 0.8).map(
        {True: "yes", False: "no"}
    )
    frame.loc[::17, "income"] = np.nan
    frame.loc[5::23, "job"] = None
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), make_column_selector(dtype_exclude="number")),
        remainder="passthrough",
    )
    model = make_pipeline(encode, HistGradientBoostingClassifier(max_iter=20, random_state=0)).fit(
        frame[:250], deny[:250]
    )
    dump(model, place / "model.skops")
    (place / "model.pkl").write_bytes(pickle.dumps(model))
    frame.assign(deny=deny)[250:].to_csv(place / "data.csv", index=False)
    frame.assign(deny=deny)[:250].to_csv(place / "training.csv", index=False)
    frame.assign(deny="no")[250:].to_csv(place / "constant.csv", index=False)
    frame.drop(columns="ratio").assign(deny=deny)[250:].to_csv(place / "no_ratio.csv", index=False)
    frame.assign(deny=deny)[250:253].to_csv(place / "three.csv", index=False)
    return place


def test_audit_writes_reports_and_exit_code(folder, tmp_path):
    out = tmp_path / "report.html"
    arguments = ("audit", folder / "model.skops", folder / "data.csv", "--target", "deny", "--favorable", "no",
                 "--sensitive", "group", "--rows", "3,17", "--fast", "--junit", tmp_path / "junit.xml", "--out", out)  # fmt: skip
    run = pellucid(*arguments, cwd=tmp_path)
    assert run.returncode in (0, 1), run.stderr
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))["findings"]
    assert (tmp_path / "junit.xml").exists()
    again = pellucid(*arguments, cwd=tmp_path)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert pellucid(*arguments, "--force", cwd=tmp_path).returncode == run.returncode


def test_data_are_audited_without_a_model(folder, tmp_path):
    run = pellucid(
        "audit",
        folder / "data.csv",
        "--target",
        "deny",
        "--sensitive",
        "group",
        "--favorable",
        "no",
        "--fast",
        cwd=tmp_path,
    )
    assert run.returncode in (0, 1), run.stderr
    assert (tmp_path / "report.html").exists()


def test_a_function_is_audited(folder, tmp_path):
    (tmp_path / "score.py").write_text("def predict(X):\n    return X['ratio'].to_numpy()\n")
    data = pd.read_csv(folder / "data.csv")
    data.assign(deny=(data["deny"] == "yes").astype(float)).to_csv(tmp_path / "numbers.csv", index=False)
    run = pellucid(
        "audit",
        "--model",
        "score:predict",
        "numbers.csv",
        "--target",
        "deny",
        "--fast",
        cwd=tmp_path,
        PYTHONPATH=str(tmp_path),
    )
    assert run.returncode in (0, 1), run.stderr


def test_explain_prints_reasons(folder, tmp_path):
    run = pellucid(
        "explain",
        folder / "model.skops",
        folder / "data.csv",
        "--target",
        "deny",
        "--rows",
        "3",
        "--out",
        "row.html",
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    assert "ratio" in run.stdout
    assert "add up" in run.stdout
    assert (tmp_path / "row.html").exists()


def test_methods_are_listed(tmp_path):
    run = pellucid("methods", cwd=tmp_path)
    assert run.returncode == 0
    for name in ("tree", "linear", "exact", "shapley", "permutation", "lime"):
        assert name in run.stdout


def test_trusted_pickle_is_loaded(folder, tmp_path):
    digest = hashlib.sha256((folder / "model.pkl").read_bytes()).hexdigest()
    run = pellucid("explain", folder / "model.pkl", folder / "data.csv", "--target", "deny", "--rows", "0",
                   "--trust-pickle", digest, cwd=tmp_path)  # fmt: skip
    assert run.returncode == 0, run.stderr


FAILURES = {
    "wrong target": (("model.skops", "data.csv", "--target", "denied"), "'denied'"),
    "column missing": (("model.skops", "no_ratio.csv", "--target", "deny"), "'ratio'"),
    "unknown model file": (("model.xyz", "data.csv", "--target", "deny"), "model.xyz"),
    "unknown table file": (("model.skops", "data.docx", "--target", "deny"), ".csv"),
    "pickle without trust": (("model.pkl", "data.csv", "--target", "deny"), "--trust-pickle"),
    "constant target": (("model.skops", "constant.csv", "--target", "deny"), "'no'"),
    "three rows": (("model.skops", "three.csv", "--target", "deny"), "3"),
    "unwritable path": (
        ("model.skops", "data.csv", "--target", "deny", "--out", "nowhere/at/all/report.html"),
        "nowhere",
    ),
    "unknown group": (("model.skops", "data.csv", "--target", "deny", "--sensitive", "grup"), "grup"),
    "unknown favorable": (("model.skops", "data.csv", "--target", "deny", "--favorable", "maybe"), "'maybe'"),
    "row beyond the end": (("model.skops", "data.csv", "--target", "deny", "--rows", "3000"), "3000"),
    "no such policy": (("model.skops", "data.csv", "--target", "deny", "--policy", "none.toml"), "none.toml"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_failures_are_one_sentence(folder, tmp_path, case):
    arguments, named = FAILURES[case]
    places = [folder / a if Path(a).suffix in (".skops", ".csv", ".pkl", ".xyz", ".docx") else a for a in arguments]
    run = pellucid("audit", *places, cwd=tmp_path)
    assert run.returncode == 2, run.stdout
    assert named in run.stderr
    assert "Traceback" not in run.stderr
    assert "unexpected" not in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_control_characters_do_not_reach_the_terminal(folder, tmp_path):
    run = pellucid("audit", folder / "model.skops", folder / "data.csv", "--target", "\x1b[2Jdeny", cwd=tmp_path)
    assert run.returncode == 2
    assert "\x1b" not in run.stderr
