"""The HTML report: parsed, never trusted."""

import base64
import hashlib
import html.parser
import json
import re
from collections import Counter
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest

from pellucid.auditing.findings import Exhibit, Finding, Measure, Section, Verdict
from pellucid.report import render_html
from pellucid.report.page import script_json

LIMIT = 1_500_000
VOID = {"meta", "input", "br", "img", "link", "hr"}
HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)" x=\'',
    "--><svg/onload=alert(1)>",
    "{{ 7 * 7 }} {% raw %}",
    "javascript:alert(1)",
    "]]>&lt;b&gt;&amp;",
    "\u202eשלום עולם\u2066",
    "\u2028\u2029\x00\x1b[31m\ud800",
    "👩‍👩‍👧 café ＜script＞",
    "n" * 10_000,
    "datum['label']; url(#a) var(--up) \\u003c",
    "",
]


class Page(html.parser.HTMLParser):
    """Tags with their attributes, and the text of each kind of element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def text(audit: Any) -> str:
    return render_html(audit)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_is_one_small_file_that_names_no_address(text: str, page: Page) -> None:
    assert len(text.encode()) <= LIMIT
    assert page.open == []
    allowed = {"http://www.w3.org/2000/svg"}
    assert set(re.findall(r"https?://[^\s\"'<]+", text)) <= allowed
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert all(not name.startswith("on") and name not in ("style", "action") for name in attributes), tag
        assert tag == "img" or "src" not in attributes
        assert tag != "img" or (attributes["src"] or "").startswith("data:image/png;base64,")
        assert (attributes.get("href") or "#").startswith("#")


def test_policy_allows_exactly_the_style_and_the_scripts_of_the_file(text: str, page: Page) -> None:
    policy = next(meta["content"] for meta in page.of("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    styles = set(re.findall(r"<style>(.*?)</style>", text, re.S))
    script = re.search(r"<script>(.*?)</script>", text, re.S)
    assert len(styles) == 2
    assert script is not None
    for part in (*styles, script.group(1)):
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    kinds = Counter(attributes.get("type") for attributes in page.of("script"))
    assert kinds == {"application/json": 1, "text/plain": 1, None: 1}


def test_has_one_of_each_landmark_and_headings_in_order(page: Page) -> None:
    assert page.of("html")[0]["lang"] == "en"
    assert [len(page.of(tag)) for tag in ("main", "nav", "footer", "h1", "title")] == [1, 1, 1, 1, 1]
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in zip([0, *levels], levels, strict=False))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for attributes in page.of("a"):
        assert (attributes["href"] or "").removeprefix("#") in ids


def test_shows_every_finding_exhibit_and_cell(audit: Any, text: str, page: Page) -> None:
    shown = " ".join(" ".join(page.texts["article"]).split())
    assert len(page.of("article")) == len(audit.findings)
    for finding in audit.findings:
        for part in (finding.statement, finding.remedy, finding.how, finding.code, finding.title):
            assert " ".join(part.split()) in shown.replace("\N{NO-BREAK SPACE}", " ")
    exhibits = [exhibit for finding in audit.findings for exhibit in finding.exhibits]
    pictures = [attributes for attributes in page.of("div") if attributes.get("role") == "img"]
    charts = [exhibit for exhibit in exhibits if exhibit.kind not in ("table", "text", "image")]
    assert [picture["aria-label"] for picture in pictures] == [exhibit.description for exhibit in charts]
    measured = sum(bool(finding.measures) for finding in audit.findings)
    headed = [group for group in page.of("div") if (group.get("aria-label") or "").startswith("Table: ")]
    assert len(headed) == len(exhibits) + measured
    rows = sum(len(next(iter(exhibit.table.values()))) for exhibit in exhibits)
    rows += sum(len(finding.measures) for finding in audit.findings)
    listed = sum(len(exhibit.table["value"]) for exhibit in exhibits if exhibit.kind == "text")
    assert len(page.of("tr")) == rows + len(headed) + listed  # a text lists its largest values once more
    assert "<path" in text


def test_what_held_is_folded_and_what_did_not_is_open(audit: Any, audit_of: Any) -> None:
    for verdict, folded in ((Verdict.PASS, True), (Verdict.WARN, False)):
        finding = replace(audit.findings[0], verdict=verdict, statement="Short.", detail="Longer.", how="By counting.")
        article = re.search(r"<article.*?</article>", render_html(audit_of((finding,))), re.S)
        assert article is not None
        before, _, rest = article.group().partition('<details class="rest">')
        assert "Short." in before
        assert "Longer." in before
        assert ("By counting." in rest) == folded
        assert ("By counting." in before) != folded


def test_says_the_counts_and_the_three_most_important_findings_first(audit: Any, page: Page) -> None:
    summary = next(text for text in page.texts["section"] if "checks held" in text)
    assert "1 check failed, 4 warnings, 8 notes, 9 checks held" in summary
    for finding in audit.top(3):
        assert finding.statement.split(":")[0] in summary.replace("\N{NO-BREAK SPACE}", " ")


def test_says_what_was_not_measured_and_the_record(audit: Any, page: Page) -> None:
    whole = page.texts["html"][0]
    for sentence in (*audit.subject.not_measured, *audit.subject.contains, *audit.subject.hashes.values()):
        assert sentence in whole
    assert "group gap warn" in whole


def test_templates_claim_nothing() -> None:
    folder = files("pellucid.report").joinpath("templates")
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8").lower()
        for word in (
            "compliant",
            "fair",
            "discriminat",
            "validated",
            "certif",
            "independent audit",
            "unbiased",
            "you will",
        ):
            assert word not in text.replace("merchantability and fitness", ""), (path, word)


def hostile_audit(audit_of: Any, words: list[str]) -> Any:
    findings = []
    for number, section in enumerate(Section):
        word = words[number % len(words)]
        table = {"label": words, "value": [0.1 * i for i in range(len(words))], word: words}
        parts = {"feature": words, "shown": words, "contribution": [(-1.0) ** i for i in range(len(words))]}
        tree = {"id": [0, 1], "parent": [-1, 0], "branch": ["", word], "text": [word, word]}
        effect = {"x": words, "y": [0.5] * len(words), "series": words}
        exhibits = tuple(
            Exhibit(kind=kind, title=word, description=word, table=columns, options=options)
            for kind, columns, options in (
                ("bars", table, {"x_title": word}),
                ("waterfall", parts, {"x_title": word, "base": 0.1}),
                ("tree", tree, {}),
                ("effect", effect, {"x_title": word, "y_title": word}),
                ("no such kind", table, {}),
            )
        )
        findings.append(
            Finding(code=f"PEL{number + 1}01", title=word, section=section, verdict=list(Verdict)[number % 6],
                    statement=word, why=word, how=word, remedy=word, exhibits=exhibits,
                    measures=(Measure(name=word, value=float("nan"), n=3, unit=word),))
        )  # fmt: skip
    many = tuple(words)
    return audit_of(tuple(findings), model=words[0], features=many, classes=many, sensitive=many, background=words[0],
                    hashes={words[0]: words[1]}, contains=many, not_measured=many)  # fmt: skip


def test_hostile_text_never_makes_a_tag(audit_of: Any) -> None:
    plain = [f"name {i}" for i in range(len(HOSTILE))]
    wanted = Counter(tag for tag, _ in Page(render_html(hostile_audit(audit_of, plain))).tags)
    text = render_html(hostile_audit(audit_of, HOSTILE))
    page = Page(text)
    found = Counter(tag for tag, _ in page.tags)
    for tag in wanted | found:
        if tag not in ("path", "g", "line", "rect", "text", "tspan"):  # axis ticks and lines of text differ
            assert found[tag] == wanted[tag] or tag == "p", tag
    assert all(not name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert not set(text) & set("\u202e\u2066\u2028\u2029\x00\x1b\ud800")
    text.encode("utf-8")
    data = re.search(r'<script type="application/json" id="pictures">(.*?)</script>', text, re.S)
    assert data is not None
    assert not set(data.group(1)) & set("<>&")
    json.loads(data.group(1))


def test_json_in_a_script_escapes_what_could_end_it() -> None:
    value = {"</script>": "<!--&\u2028\u2029"}
    text = script_json(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value


def test_a_picture_that_cannot_be_drawn_is_said_and_its_table_shown(audit_of: Any, audit: Any) -> None:
    broken = Exhibit(kind="bars", title="broken", description="d", table={"label": ["the cell"], "size": [1.0]})
    text = render_html(audit_of((replace(audit.findings[0], exhibits=(broken,)),)))
    assert "There is no picture: a &#39;bars&#39; picture needs the columns label, value" in text
    assert "the cell" in text


def test_long_tables_say_how_many_rows_are_elsewhere(audit_of: Any, audit: Any) -> None:
    long = Exhibit(kind="table", title="long", description="d", table={"x": list(range(250))})
    page = Page(render_html(audit_of((replace(audit.findings[0], exhibits=(long,), measures=()),))))
    assert len(page.of("tr")) == 201
    assert "50 further rows stand in the JSON" in page.texts["html"][0]


def test_an_audit_without_findings_or_a_model_still_reads(audit_of: Any) -> None:
    page = Page(render_html(audit_of((), model="no model", not_measured=())))
    assert "There are no findings." in page.texts["html"][0]
    assert "Audit of data, before a model" in page.texts["h1"][0]
    assert "Every check of this audit ran." in page.texts["html"][0]


def test_the_same_audit_makes_the_same_file(audit: Any, text: str) -> None:
    assert render_html(audit) == text
