"""JSON, JUnit and Markdown, and files on disk."""

import json
import math
import os
import stat
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pellucid._base.errors import FileError, InputError
from pellucid.auditing.findings import Measure, Verdict
from pellucid.report import render_json, render_junit, render_markdown, save_report

HARD = "</x>\x00\x1b\ud800 | *b* [a](b) `c` <i>\nnew # line"


def test_json_has_every_finding_and_cell_and_no_nan(audit: Any, audit_of: Any) -> None:
    held = json.loads(render_json(audit))
    assert set(held) >= {"schema", "verdict", "subject", "policy", "findings"}
    assert [finding["code"] for finding in held["findings"]] == [finding.code for finding in audit.findings]
    for found, finding in zip(held["findings"], audit.findings, strict=True):
        assert found["verdict"] in set(Verdict)
        assert [exhibit["table"] for exhibit in found["exhibits"]] == [dict(e.table) for e in finding.exhibits]
    odd = replace(audit.findings[0], measures=(Measure(name="m", value=math.nan, n=1, low=-math.inf),))
    measure = json.loads(render_json(audit_of((odd,))))["findings"][0]["measures"][0]
    assert (measure["value"], measure["low"]) == (None, None)


def test_junit_counts_what_the_exit_code_counts(audit: Any) -> None:
    for fail_on, failures in (("fail", 1), ("warn", 5)):
        root = ElementTree.fromstring(render_junit(audit, fail_on=fail_on))  # noqa: S314
        assert (root.get("tests"), root.get("failures")) == (str(len(audit.findings)), str(failures))
        assert (root.get("errors"), root.get("skipped")) == ("1", "1")
        inner = Counter(part.tag for case in root.iter("testcase") for part in case)
        assert (inner["failure"], inner["error"], inner["skipped"]) == (failures, 1, 1)
        assert bool(failures) == bool(audit.exit_code(fail_on))
    with pytest.raises(InputError, match="fail_on must be"):
        render_junit(audit, fail_on="never")
    suites = root.findall("testsuite")
    assert [suite.get("name") for suite in suites][-1] == "Bias"
    assert sum(int(suite.get("tests") or 0) for suite in suites) == len(audit.findings)


def test_junit_carries_hostile_text(audit: Any, audit_of: Any) -> None:
    for verdict in Verdict:
        odd = replace(audit.findings[0], title=HARD, statement=HARD, why=HARD, remedy=HARD, verdict=verdict)
        root = ElementTree.fromstring(render_junit(audit_of((odd,))))  # noqa: S314
        assert len(list(root.iter())) == 4


def test_markdown_escapes_hostile_text(audit: Any, audit_of: Any) -> None:
    text = render_markdown(audit)
    assert text.startswith("# Audit of HistGradientBoostingClassifier in a Pipeline\n")
    assert text.count("\n### ") == len(audit.findings)
    odd = render_markdown(audit_of((replace(audit.findings[0], title=HARD, statement=HARD),)))
    assert "\\<i\\>" in odd
    assert "\\| \\*b\\* \\[a\\]\\(b\\)" in odd
    assert not set(odd) & set("\x00\x1b\ud800")
    assert "\n# " not in odd[2:]


@pytest.mark.parametrize("ending", [".html", ".json", ".xml", ".md", ".HTML"])
def test_saves_by_ending_whole_and_with_ordinary_permissions(audit_of: Any, tmp_path: Path, ending: str) -> None:
    path = save_report(audit_of(()), tmp_path / f"report{ending}")
    assert path.read_text(encoding="utf-8").strip()
    assert [entry.name for entry in tmp_path.iterdir()] == [f"report{ending}"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_never_overwrites_without_force(audit_of: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("mine")
    with pytest.raises(FileError, match=r"already there.*--force"):
        save_report(audit_of(()), path)
    assert path.read_text() == "mine"
    save_report(audit_of(()), str(path), force=True)
    assert json.loads(path.read_text())["findings"] == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("report.pdf", "must end in"), ("report", "must end in"), ("no/such/report.html", "does not exist")],
)
def test_refuses_paths_in_a_sentence(audit_of: Any, tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(FileError, match=words):
        save_report(audit_of(()), tmp_path / name)


def test_refuses_a_folder(audit_of: Any, tmp_path: Path) -> None:
    (tmp_path / "x.html").mkdir()
    with pytest.raises(FileError, match="is a folder"):
        save_report(audit_of(()), tmp_path / "x.html", force=True)


def test_a_full_disk_leaves_nothing_behind_and_the_old_file_whole(
    audit_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="No space left on device"):
        save_report(audit_of(()), path, force=True)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_junit_on_disk_honours_the_level_of_the_exit_code(audit: Any, tmp_path: Path) -> None:
    counts = {}
    for level in ("fail", "warn"):
        path = save_report(audit, tmp_path / f"{level}.xml", fail_on=level)
        root = ElementTree.fromstring(path.read_text("utf-8"))  # noqa: S314 - our own
        counts[level] = int(root.attrib["failures"])
    verdicts = [finding.verdict for finding in audit.findings]
    assert counts["fail"] == verdicts.count(Verdict.FAIL)
    assert counts["warn"] == counts["fail"] + verdicts.count(Verdict.WARN) > counts["fail"]
