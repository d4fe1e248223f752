"""Artefacts: dated packs of one schema, fields that say where they are from, no claim, no cell to be solved for."""

import itertools
import json
import re
from dataclasses import replace
from datetime import date
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

import pellucid
from pellucid import FileError, InputError
from pellucid.auditing.checks.registry import CHECKS
from pellucid.auditing.findings import Finding, Section, Verdict
from pellucid.compliance import adverse_action_sheets, artefact, declarations, ll144_sheets, rule_packs
from pellucid.compliance.artefacts import _evidence
from pellucid.compliance.rules import RulePack
from pellucid.report import ARTEFACT_RENDERERS, save_artefact

FORBIDDEN = re.compile(
    r"\b(compliant|complies|fair|unfair|fairly|non-discriminatory|validated|certified|unbiased|independent audit"
    r"|guaranteed?|you will be|will be approved|would be approved if|lawful)\b",
    re.IGNORECASE,
)
ASKED = (
    "reg-b", "fcra", "sr-26-2", "eu-ai-act-annex-iv", "eu-ai-act-art-86", "gdpr", "nyc-ll144", "four-fifths",
    "45-cfr-92-210", "nist-ai-rmf", "model-card",
)  # fmt: skip
AUDIT = {
    "schema": "pellucid.audit/1",
    "subject": {"model": "a tree <b>", "task": "binary"},
    "findings": [
        {"code": "PEL201", "verdict": "pass", "statement": "AUC is 0.8 [0.7, 0.9].",
         "measures": [{"name": "AUC", "value": 0.8}, {"name": "log loss", "value": None}]},
        {"code": "PEL702", "verdict": "warn", "statement": "Impact ratio 0.79 | [0.74, 0.85]."},
        {"code": "PEL606", "verdict": "error", "statement": "This check failed."},
        {"code": "PEL401", "verdict": "note", "statement": "Row 3: somebody's own figures."},
    ],
}  # fmt: skip


def test_every_pack_is_there_dated_and_of_the_schema():
    packs = rule_packs()
    assert set(packs) == set(ASKED)
    codes = {check.code for check in CHECKS}
    for pack in packs.values():
        assert re.fullmatch(r"20\d\d-\d\d", pack.as_of)
        for field in pack.fields:
            named = {code for code in field.measured if code.startswith("PEL")}
            assert named <= codes, (pack.id, field.id)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("citation"),
        lambda c: c.update(extra=1),
        lambda c: c.update(as_of="autumn"),
        lambda c: c.update(status=""),
        lambda c: c.update(fields=[]),
        lambda c: c["fields"].append(dict(c["fields"][0])),
        lambda c: c["fields"][0].update(measured=["figure 3"]),
        lambda c: c["fields"][0].update(measured=[], declared=None),
        lambda c: c["fields"][0].pop("asks"),
        lambda c: c.update(schema="pellucid.rule/9"),
    ],
)
def test_a_pack_that_is_not_of_the_schema_is_refused(change):
    text = files("pellucid.compliance").joinpath("rules", "reg-b.json").read_text("utf-8")
    content = json.loads(text)
    assert RulePack.of(content).id == "reg-b"
    change(content)
    with pytest.raises(InputError):
        RulePack.of(content)


def test_each_field_is_measured_declared_or_missing():
    draft = artefact("model-card", audit=AUDIT, declared={"limitations": "Old data."})
    status = {field.id: field.status for field in draft.fields}
    assert status["performance"] == status["groups"] == status["model"] == "measured"
    assert status["limitations"] == "declared by you"
    assert status["contact"] == status["reliability"] == status["reasons"] == "missing"
    assert set(status.values()) == {"measured", "declared by you", "missing"}
    assert sum(draft.counts().values()) == len(draft.fields)
    both = artefact("sr-26-2", audit=AUDIT, declared={"monitoring": "Weekly."})
    said = next(field for field in both.fields if field.id == "monitoring")
    assert (said.status, said.sentences) == ("declared by you", ("Declared by you: Weekly.",))


def test_tables_answer_the_fields_they_measure(codes):
    people = {"sex": ["f", "m"] * 40, "race": ["a", "b", "b", "b"] * 20}
    draft = artefact("nyc-ll144", sheets=ll144_sheets(people, score=np.arange(80.0)))
    (rates,) = [field for field in draft.fields if field.status == "measured"]
    assert (rates.id, rates.sources) == ("rates", ("sheet:impact_ratios",))
    assert rates.sentences == ("Measured in the tables of this draft: ‘By sex’, ‘By race’, ‘By sex × race’.",)
    worksheet = artefact("reg-b", sheets=adverse_action_sheets(codes))
    assert {field.id for field in worksheet.fields if field.status == "measured"} == {"cutoff", "reasons_true"}
    named = {source for pack in rule_packs().values() for field in pack.fields for source in field.measured}
    sheets = (*draft.sheets, *worksheet.sheets)
    assert {f"sheet:{s.answers}" for s in sheets if s.answers} == {n for n in named if n.startswith("sheet:")}


def test_single_rows_stand_in_no_artefact():
    for rule in rule_packs():
        text = ARTEFACT_RENDERERS[".json"](artefact(rule, audit=AUDIT))
        assert "somebody's" not in text
        assert "This check failed" not in text
    # No pack asks for them today; one that did would not get them either.
    assert not [code for code in _evidence(AUDIT) if code.startswith("PEL4")]


def test_an_old_pack_says_so():
    fresh = artefact("gdpr", today=date(2026, 12, 1))
    old = artefact("gdpr", today=date(2028, 6, 1))
    assert len(old.notes) == len(fresh.notes) + 1
    assert "19 months" in old.notes[-1]


def test_front_matter_is_yaml_of_what_is_known():
    declared = {"license": "apache-2.0", "dataset_name": 'HMDA: "Boston"', "language": "en"}
    text = ARTEFACT_RENDERERS[".md"](artefact("model-card", audit=AUDIT, declared=declared))
    header = text.split("---")[1].strip().splitlines()
    found = {line.partition(": ")[0]: json.loads(line.partition(": ")[2]) for line in header}
    assert found["license"] == "apache-2.0"
    assert found["pipeline_tag"] == "tabular-classification"
    (result,) = found["model-index"][0]["results"]
    assert result["dataset"]["name"] == 'HMDA: "Boston"'
    assert result["metrics"] == [{"type": "auc", "name": "AUC", "value": 0.8}]
    assert not ARTEFACT_RENDERERS[".md"](artefact("gdpr")).startswith("---")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "reg-c"}, "'reg-b'"),
        ({"rule": "gdpr", "declared": {"contakt": "x"}}, "'contact'"),
        ({"rule": "gdpr", "declared": {"contact": ""}}, "must be text"),
        ({"rule": "gdpr", "declared": 3}, "TOML"),
        ({"rule": "gdpr", "audit": {"schema": "other"}}, "pellucid audit"),
        ({"rule": "gdpr", "audit": {"schema": "pellucid.audit/1"}}, "damaged"),
        ({"rule": "gdpr", "audit": {"schema": "pellucid.audit/1", "subject": {}, "findings": [{}]}}, "damaged"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        artefact(arguments.pop("rule"), **arguments)


def every_artefact(codes):
    for rule in rule_packs():
        declared = dict.fromkeys(declarations(), "said")
        yield artefact(rule, audit=AUDIT, declared=declared)
        yield artefact(rule)
    yield artefact("reg-b", sheets=adverse_action_sheets(codes))
    people = {"sex": ["f", "m", None] * 40, "race": ["a", "b"] * 60}
    yield artefact("nyc-ll144", sheets=ll144_sheets(people, score=np.arange(120.0)))


@pytest.fixture(scope="module")
def codes(hmda, mortgage_model, denials):
    rows, cutoff = denials
    book = {"factors": {"afam": {"code": "X1", "mark": "protected"}}}
    return pellucid.reason_codes(
        mortgage_model, rows.head(40), cutoff=cutoff, favorable="no", background=hmda.X.head(200), codebook=book,
        resamples=1,
    )  # fmt: skip


def test_no_template_pack_or_rendered_artefact_makes_a_forbidden_claim(codes):
    sources = [path for name in ("compliance", "report", "cli") for path in every_file(files("pellucid") / name)]
    assert len(sources) > 30
    texts = {
        str(path): path.read_text("utf-8") for path in sources if path.name.endswith((".json", ".j2", ".py", ".txt"))
    }
    for draft in every_artefact(codes):
        for ending, render in ARTEFACT_RENDERERS.items():
            texts[f"{draft.pack.id}{ending}"] = render(draft)
    texts["findings"] = " ".join([*codes.findings(), repr(codes)])
    for name, text in texts.items():
        found = FORBIDDEN.search(text.replace("merchantability and fitness", "").replace("FAIRNESS", ""))
        assert found is None, (name, found)


def every_file(folder):
    for path in folder.iterdir():
        if path.is_dir():
            yield from every_file(path)
        elif not path.name.endswith(".pyc"):
            yield path


def test_pages_escape_what_the_user_wrote(tmp_path):
    hostile = "</script><img src=x onerror=alert(1)> | `x` \u202e"
    draft = artefact("gdpr", declared={"contact": hostile})
    html = save_artefact(draft, tmp_path / "draft.html").read_text("utf-8")
    assert "<img" not in html
    assert "\u202e" not in html
    assert len(html) < 200_000
    markdown = save_artefact(draft, tmp_path / "draft.md").read_text("utf-8")
    assert r"\<img" in markdown
    assert (
        json.loads(save_artefact(draft, tmp_path / "draft.json").read_text("utf-8"))["schema"] == "pellucid.artefact/1"
    )
    with pytest.raises(FileError, match="already there"):
        save_artefact(draft, tmp_path / "draft.md")
    with pytest.raises(FileError, match="must end in"):
        save_artefact(draft, tmp_path / "draft.pdf")


def test_the_worksheet_shows_what_is_blocked(codes):
    how, decisions, reasons = adverse_action_sheets(codes)
    assert len(reasons.columns["row"]) == sum(len(decision.reasons) for decision in codes.decisions)
    states = dict(zip(decisions.columns["row"], decisions.columns["state"], strict=True))
    assert list(states) == [decision.row for decision in codes.decisions]
    blocked = {row for row, state in states.items() if "block" in state}
    assert blocked == {decision.row for decision in codes.blocked} != set()
    assert states[codes.blocked[0].row].endswith("(protected)")
    assert "blocked" in how.note


def test_a_decision_without_a_reason_stands_in_the_worksheet(codes):
    silent = replace(codes, decisions=(replace(codes.decisions[0], reasons=(), refuted=()),))
    _, decisions, reasons = adverse_action_sheets(silent)
    assert decisions.columns["state"] == ["no reason found"]
    assert reasons.columns["row"] == []


def test_a_missing_field_says_what_would_answer_it(tmp_path):
    draft = artefact("eu-ai-act-annex-iv")
    lacking = {field.id: field.lacking for field in draft.fields}
    assert all(lacking.values())
    assert any("An audit measures it (PEL" in said for said in lacking.values())
    assert any(said.endswith("eclare it as provider.") for said in lacking.values())
    for name in ("draft.html", "draft.md"):
        assert "eclare it as provider." in save_artefact(draft, tmp_path / name).read_text("utf-8")
    full = artefact("eu-ai-act-annex-iv", declared={"provider": "Example Ltd"})
    assert [field.lacking for field in full.fields if field.status != "missing"] == [""]


def test_ll144_tables_equal_counts_by_hand():
    sex = ["f"] * 50 + ["m"] * 100 + [None] * 20 + ["x"] * 2
    selected = np.array([i % 5 == 0 for i in range(50)] + [i % 2 == 0 for i in range(100)] + [False] * 22)
    everyone, table = ll144_sheets({"sex": sex}, selected=selected, floor=1)
    assert everyone.columns["people"] == [172]
    rows = dict(zip(table.columns["category"], zip(*list(table.columns.values())[1:5], strict=True), strict=True))
    assert rows["f"] == (50, 10, 0.2, 0.4)
    assert rows["m"] == (100, 50, 0.5, 1.0)
    assert rows["(missing)"] == (20, 0, 0.0, 0.0)
    assert rows["x"] == (2, 0, 0.0, None)
    assert "under 2 %" in table.columns["remark"][table.columns["category"].index("x")]
    (_, by_score) = ll144_sheets({"sex": ["f", "m"] * 20}, score=np.arange(40.0))
    assert by_score.columns["above the median"] == [10, 10]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "either selected"),
        ({"selected": [True], "score": [1.0]}, "either selected"),
        ({"selected": [1, 0]}, "true or false"),
        ({"score": ["a", "b"]}, "numbers"),
        ({"score": [1.0, np.nan]}, "finite"),
        ({"selected": []}, "one value per person"),
    ],
)
def test_ll144_refuses_what_it_cannot_count(change, message):
    with pytest.raises(InputError, match=message):
        ll144_sheets({"sex": ["f", "m"]}, **change)


def solvable(frame, sheets):
    """Withheld categories whose number of people follows from all published numbers, by linear algebra."""
    cells = sorted({tuple(row) for row in frame.itertuples(index=False)})
    names = list(frame.columns)

    def members(title, category):
        columns = title.removeprefix("By ").split(" × ")
        parts = category.split(" × ")
        return [all(cell[names.index(c)] == p for c, p in zip(columns, parts, strict=True)) for cell in cells]

    known, secret = [np.ones(len(cells))], {}
    for sheet in sheets[1:]:
        for category, people in zip(sheet.columns["category"], sheet.columns["people"], strict=True):
            row = np.array(members(sheet.title, category), dtype=float)
            known.append(row) if people is not None else secret.update({(sheet.title, category): row})
    rank = np.linalg.matrix_rank(np.array(known))
    sizes = np.array([sum(tuple(row) == cell for row in frame.itertuples(index=False)) for cell in cells])
    solved = {name: row for name, row in secret.items() if np.linalg.matrix_rank(np.array([*known, row])) == rank}
    return {name: int(row @ sizes) for name, row in solved.items()}


def random_people(seed):
    rng = np.random.default_rng(seed)
    columns = {}
    for name, width in zip("abc", rng.integers(2, 5, rng.integers(2, 4)), strict=False):
        share = rng.dirichlet(np.full(width, 0.7))
        columns[name] = rng.choice([f"{name}{i}" for i in range(width)], rng.integers(60, 61), p=share)
    return pd.DataFrame(columns)


@pytest.mark.parametrize("block", range(4))
def test_no_withheld_category_can_be_solved_for(block):
    withheld = 0
    for seed in range(40 * block, 40 * block + 40):
        frame = random_people(seed)
        sheets = ll144_sheets(frame, selected=np.arange(len(frame)) % 3 == 0)
        withheld += sum(people is None for sheet in sheets[1:] for people in sheet.columns["people"])
        # A large category that is the same people as a shown one may be solved for; a small one may not.
        assert all(people >= 10 for people in solvable(frame, sheets).values()), seed
        shown = itertools.chain(*(sheet.columns["people"] for sheet in sheets[1:]))
        assert all(people is None or people >= 10 for people in shown)
    assert withheld > 100


def test_an_audit_feeds_its_own_json():
    finding = Finding(
        code="PEL201", title="t", section=Section.PERFORMANCE, verdict=Verdict.PASS, statement="AUC 0.8.", why="w"
    )
    content = {"schema": "pellucid.audit/1", "subject": {"model": "m"}, "findings": [vars(finding)]}
    draft = artefact("sr-26-2", audit=json.loads(json.dumps(content, default=str)))
    assert next(field for field in draft.fields if field.id == "performance").sentences == ("AUC 0.8.",)
