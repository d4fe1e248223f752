"""The command line as a person meets it: one sentence per failure, exit codes 0, 1 and 2."""

import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from skops.io import dump

from pellucid.cli.main import COMMANDS, commands, main


@pytest.fixture
def pellucid(tmp_path, monkeypatch, capfd):
    """Run the command in an empty folder: exit code, what it printed and what it complained."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([*map(str, arguments)])
        printed = capfd.readouterr()
        return SimpleNamespace(returncode=stopped.value.code, stdout=printed.out, stderr=printed.err)

    return run


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


def test_audit_writes_reports_and_exit_code(pellucid, folder, tmp_path):
    out = tmp_path / "report.html"
    options = (
        "--favorable",
        "no",
        "--sensitive",
        "group",
        "--rows",
        "3,17",
        "--fast",
        "--junit",
        tmp_path / "junit.xml",
    )
    arguments = ("audit", folder / "model.skops", folder / "data.csv", "--target", "deny", *options, "--out", out)
    run = pellucid(*arguments)
    assert run.returncode in (0, 1), run.stderr
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))["findings"]
    assert (tmp_path / "junit.xml").exists()
    again = pellucid(*arguments)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert pellucid(*arguments, "--force").returncode == run.returncode


def test_data_are_audited_without_a_model(pellucid, folder, tmp_path):
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
    )
    assert run.returncode in (0, 1), run.stderr
    assert (tmp_path / "report.html").exists()


BIAS = ("--target", "deny", "--sensitive", "group", "--favorable", "no", "--fast")


def test_bias_writes_the_chapter_on_bias_alone(pellucid, folder, tmp_path):
    run = pellucid("bias", folder / "model.skops", folder / "data.csv", *BIAS, "--fail-on", "fail")
    assert run.returncode == 0, run.stderr
    assert "Report: bias.html" in run.stdout
    assert (tmp_path / "bias.html").exists()
    found = json.loads((tmp_path / "bias.json").read_text(encoding="utf-8"))["findings"]
    assert {finding["code"][:4] for finding in found} == {"PEL1", "PEL7"}
    again = pellucid("bias", folder / "model.skops", folder / "data.csv", *BIAS)
    assert again.returncode == 2
    assert "--force" in again.stderr


def test_bias_in_data_alone_sets_the_exit_code_by_the_verdict(pellucid, folder, tmp_path):
    data = pd.read_csv(folder / "data.csv", keep_default_na=False)
    data["deny"] = np.where(data["group"] == "a", "yes", "no")
    data.to_csv(tmp_path / "unequal.csv", index=False)
    warned = pellucid("bias", tmp_path / "unequal.csv", *BIAS)
    assert warned.returncode == 1, warned.stderr
    assert "WARN" in warned.stdout
    assert pellucid("bias", tmp_path / "unequal.csv", *BIAS, "--fail-on", "fail", "--force").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("data.csv", "--target", "deny"), "--sensitive"),
        (("data.csv", "--target", "deny", "--sensitive", "race"), "‘race’"),
        (("data.csv", "--target", "denied", "--sensitive", "group"), "no column 'denied'"),
        (("data.csv", "--target", "deny", "--sensitive", "group", "--favorable", "nein"), "'nein'"),
        (("a", "b", "data.csv", "--target", "deny", "--sensitive", "group"), "expected a model and one data file"),
        (("nowhere.csv", "--target", "deny", "--sensitive", "group"), "no file"),
    ],
)
def test_bias_that_cannot_run_says_why(pellucid, folder, tmp_path, arguments, message):
    (tmp_path / "data.csv").write_bytes((folder / "data.csv").read_bytes())
    run = pellucid("bias", *arguments)
    assert run.returncode == 2
    assert message in run.stderr


def test_a_function_is_audited(pellucid, folder, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
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
    )
    assert run.returncode in (0, 1), run.stderr


def test_explain_prints_reasons(pellucid, folder, tmp_path):
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
    )
    assert run.returncode == 0, run.stderr
    assert "ratio" in run.stdout
    assert "add up" in run.stdout
    assert (tmp_path / "row.html").exists()


def test_methods_are_listed(pellucid):
    run = pellucid("methods")
    assert run.returncode == 0
    for name in ("tree", "linear", "exact", "shapley", "permutation", "lime"):
        assert name in run.stdout


def test_trusted_pickle_is_loaded(pellucid, folder, tmp_path):
    digest = hashlib.sha256((folder / "model.pkl").read_bytes()).hexdigest()
    run = pellucid("explain", folder / "model.pkl", folder / "data.csv", "--target", "deny", "--rows", "0",
                   "--trust-pickle", digest)  # fmt: skip
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
def test_failures_are_one_sentence(pellucid, folder, tmp_path, case):
    arguments, named = FAILURES[case]
    places = [folder / a if Path(a).suffix in (".skops", ".csv", ".pkl", ".xyz", ".docx") else a for a in arguments]
    run = pellucid("audit", *places)
    assert run.returncode == 2, run.stdout
    assert named in run.stderr
    assert "Traceback" not in run.stderr
    assert "unexpected" not in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_control_characters_do_not_reach_the_terminal(pellucid, folder, tmp_path):
    run = pellucid("audit", folder / "model.skops", folder / "data.csv", "--target", "\x1b[2Jdeny")
    assert run.returncode == 2
    assert "\x1b" not in run.stderr


def test_help_comes_without_loading_the_commands(tmp_path):
    code = (
        "import sys; from pellucid.cli.main import commands; commands(['-h'], standalone_mode=False); "
        "print('sklearn' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.strip().endswith("False")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(commands, [command, "--help"])
    assert result.exit_code == 0
    assert command in result.output
