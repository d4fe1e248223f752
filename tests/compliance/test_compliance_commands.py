"""reasons, card, record, verify and diff as a person meets them."""

import json
import sqlite3
from contextlib import closing
from types import SimpleNamespace

import numpy as np
import pytest
from skops.io import dump

import pellucid as library
from pellucid.cli.main import main


@pytest.fixture
def pellucid(tmp_path, monkeypatch, capfd, folder):
    """Run the command in an empty folder: exit code, what it printed and what it complained."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(folder / a) if (folder / str(a)).is_file() else str(a) for a in arguments])
        printed = capfd.readouterr()
        return SimpleNamespace(code=stopped.value.code, out=" ".join(printed.out.split()), err=printed.err)

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory, hmda, mortgage_model):
    place = tmp_path_factory.mktemp("compliance")
    dump(mortgage_model, place / "model.skops")
    whole = hmda.X.assign(deny=hmda.y)
    whole.iloc[:200].to_csv(place / "background.csv", index=False)
    whole.iloc[200:320].to_csv(place / "data.csv", index=False)
    whole.to_csv(place / "all.csv", index=False)
    (place / "codes.toml").write_text(
        '[factors.afam]\ncode = "X1"\nmark = "protected"\n[groups.debt]\nfeatures = ["pirat", "hirat"]\n'
        'code = "D1"\nsentence = "Payments are high for the income."\n'
    )
    (place / "declared.toml").write_text('intended_use = "A demonstration."\n')
    audit = {
        "schema": "pellucid.audit/1",
        "subject": {"model": "boosted trees", "task": "binary"},
        "findings": [{"code": "PEL201", "verdict": "pass", "statement": "AUC 0.8."}],
    }
    (place / "report.json").write_text(json.dumps(audit))
    return place


REASONS = ("reasons", "model.skops", "data.csv", "--target", "deny", "--favorable", "no", "--cutoff", "1.7",
           "--background", "background.csv")  # fmt: skip


def test_reasons_are_listed_and_a_blocked_notice_is_a_finding(pellucid, tmp_path):
    held = pellucid(*REASONS, "--out", "worksheet.html")
    assert held.code == 0, held.err
    assert "below the cut-off" in held.out
    assert "Principal reasons" in (tmp_path / "worksheet.html").read_text("utf-8")
    found = pellucid(*REASONS, "--codebook", "codes.toml", "--out", "worksheet.json")
    assert found.code == 1
    assert "Finding:" in found.out
    assert "D1: Payments are high for the income." in json.dumps(json.loads((tmp_path / "worksheet.json").read_text()))
    assert pellucid(*REASONS, "--out", "worksheet.html").code == 2
    assert pellucid(*REASONS, "--out", "worksheet.html", "--force").code == 0


def test_reasons_say_what_is_wrong_in_one_sentence(pellucid, tmp_path):
    (tmp_path / "bad.toml").write_text("[factors.pirat]\ncod = 1\n")
    for change, words in (
        (("--codebook", "bad.toml"), "no key 'cod'"),
        (("--favorable", "maybe"), "no class of the model"),
        (("--background", "absent.csv"), "no file"),
        (("--out", "sheet.pdf"), "must end in"),
    ):
        told = pellucid(*REASONS, *change)
        assert told.code == 2
        assert words in told.err


@pytest.mark.parametrize("ending", [".sqlite", ".jsonl"])
def test_decisions_are_recorded_and_verified(pellucid, tmp_path, ending):
    log = f"decisions{ending}"
    arguments = ("model.skops", "data.csv", "--target", "deny", "--background", "background.csv", "--out", log)
    first = pellucid("record", *arguments, "--rows", "0,5,7")
    assert first.code == 0, first.err
    head = first.out.rsplit(" ", 1)[1]
    assert pellucid("record", *arguments).code == 0
    verified = pellucid(
        "verify", log, "--model", "model.skops", "--data", "all.csv", "--target", "deny", "--background",
        "background.csv", "--head", head,
    )  # fmt: skip
    assert verified.code == 0, verified.out
    assert "123 entries" in verified.out
    assert "123 of them bit for bit" in verified.out
    assert pellucid("verify", log, "--head", "0" * 63 + "1").code == 1
    other = pellucid(
        "verify", log, "--model", "model.skops", "--data", "data.csv", "--target", "deny", "--background", "all.csv"
    )
    assert other.code == 1
    assert "the background differs" in other.out


def test_an_edited_log_is_a_finding(pellucid, tmp_path):
    pellucid("record", "model.skops", "data.csv", "--target", "deny", "--background", "background.csv", "--out",
             "log.sqlite", "--rows", "1,2")  # fmt: skip
    with closing(sqlite3.connect(tmp_path / "log.sqlite")) as connection:
        connection.execute("drop trigger records_stay")
        connection.execute("update records set body = replace(body, 'time', 'tiem') where position = 1")
        connection.commit()
    told = pellucid("verify", "log.sqlite")
    assert told.code == 1
    assert "Entry 1 is not as it was written" in told.out


def test_one_record_is_a_file_of_its_own(pellucid, tmp_path):
    arguments = ("record", "model.skops", "data.csv", "--target", "deny", "--background", "background.csv")
    assert pellucid(*arguments, "--rows", "3", "--out", "one.json").code == 0
    assert "already there" in pellucid(*arguments, "--rows", "3", "--out", "one.json").err
    assert "one row" in pellucid(*arguments, "--out", "two.json").err
    check = ("verify", "one.json", "--model", "model.skops", "--data", "data.csv", "--background", "background.csv")
    assert pellucid(*check, "--target", "deny").code == 0
    content = json.loads((tmp_path / "one.json").read_text())
    content["configuration"]["random_state"] = 7
    (tmp_path / "one.json").write_text(json.dumps(content))
    told = pellucid(*check, "--target", "deny")
    assert told.code == 1
    assert "the configuration differs" in told.out
    assert "needed together" in pellucid("verify", "one.json").err
    assert pellucid("verify", "absent.sqlite").code == 2
    assert "0 and 119" in pellucid(*arguments, "--rows", "120", "--out", "log.sqlite").err
    assert not (tmp_path / "absent.sqlite").exists()


def test_cards_are_filled_from_the_audits_json(pellucid, tmp_path):
    told = pellucid("card", "report.json", "--declared", "declared.toml", "--out", "README.md")
    assert told.code == 0, told.err
    text = (tmp_path / "README.md").read_text("utf-8")
    assert text.startswith("---\n")
    assert "Declared by you: A demonstration." in text
    assert pellucid("card", "report.json", "--out", "card.html", "--complete").code == 1
    for rule in ("eu-ai-act-annex-iv", "gdpr"):
        assert pellucid("card", "report.json", "--rule", rule, "--out", f"{rule}.html").code == 0
    assert "already there" in pellucid("card", "report.json", "--out", "README.md").err
    (tmp_path / "other.json").write_text("{}")
    assert "pellucid audit" in pellucid("card", "other.json", "--out", "x.md").err
    (tmp_path / "other.json").write_text("{")
    assert pellucid("card", "other.json", "--out", "x.md").code == 2


def test_employment_tables_come_from_the_people(pellucid, tmp_path):
    arguments = (
        "card",
        "--rule",
        "nyc-ll144",
        "--data",
        "all.csv",
        "--target",
        "deny",
        "--out",
        "tables.md",
        "--force",
    )
    assert pellucid(*arguments, "--favorable", "no", "--sensitive", "afam", "--sensitive", "single").code == 0
    text = (tmp_path / "tables.md").read_text("utf-8")
    assert "By afam × single" in text
    assert "1 measured" in text
    assert "| yes | 339 | 243 |" in text
    assert "--target and --sensitive" in pellucid(*arguments, "--favorable", "no").err
    assert "no value" in pellucid(*arguments, "--favorable", "perhaps", "--sensitive", "afam").err
    assert "no column" in pellucid(*arguments, "--favorable", "no", "--sensitive", "race").err
    assert "belongs to" in pellucid("card", "--data", "all.csv", "--out", "x.md").err


@pytest.mark.parametrize(
    "command",
    [
        ("reasons", "model.skops", "data.csv", "--cutoff", "0"),
        ("record", "model.skops", "data.csv", "--background", "background.csv", "--out", "log.sqlite"),
        ("explain", "model.skops", "data.csv", "--rows", "1"),
        ("bias", "model.skops", "all.csv", "--sensitive", "afam"),
        ("card", "--rule", "nyc-ll144", "--data", "all.csv", "--sensitive", "afam", "--out", "x.md"),
    ],
    ids=lambda command: command[0],
)
def test_an_unknown_target_is_named(pellucid, tmp_path, command):
    told = pellucid(*command, "--target", "denied")
    assert told.code == 2
    assert "has no column 'denied' for --target" in told.err
    assert not (tmp_path / "log.sqlite").exists()


def test_questions_about_a_model_need_one(pellucid):
    for option, value in (("--threshold", "0.3"), ("--train", "all.csv")):
        told = pellucid("bias", "all.csv", "--target", "deny", "--sensitive", "afam", option, value)
        assert told.code == 2
        assert f"{option} is about a model" in told.err
    told = pellucid("bias", "model.skops", "data.csv", "--target", "deny", "--sensitive", "afam", "--threshold", "3")
    assert "between 0 and 1" in told.err


def test_diff_tells_what_shifted(pellucid, tmp_path):
    X = np.random.default_rng(0).normal(size=(120, 3))
    for name, weights in (("before", [1.0, 2.0, 0.0]), ("after", [1.0, 1.0, 1.0])):
        library.explain(lambda r, w=weights: r @ w, X, background=X[:20]).save(tmp_path / f"{name}.pellucid")
    told = pellucid("diff", "before.pellucid", "after.pellucid", "--out", "shift.json")
    assert told.code == 1
    assert "Shift: reasoning." in told.out
    assert json.loads((tmp_path / "shift.json").read_text())["verdict"] == "reasoning"
    assert pellucid("diff", "before.pellucid", "before.pellucid").code == 0
    assert pellucid("diff", "before.pellucid", "absent.pellucid").code == 2
    assert pellucid("diff", "before.pellucid", "after.pellucid", "--out", "shift.json").code == 2
