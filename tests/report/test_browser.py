"""The report in a real browser, with the network off."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pellucid.report import render_html

pytestmark = pytest.mark.browser

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 800}
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def file(audit: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_html(audit), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("look", [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": PHONE}])
def test_every_picture_lives_and_nothing_is_asked_or_complained(visit: Any, file: str, look: dict[str, Any]) -> None:
    seen = visit(file, **look)
    seen.see_all()
    assert seen.requests == [file]
    assert seen.complaints == []
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_is_readable_without_scripts(visit: Any, file: str, audit: Any, viewport: dict[str, int]) -> None:
    seen = visit(file, java_script_enabled=False, viewport=viewport)
    for fold in seen.page.query_selector_all(".rest > summary"):
        fold.click()
    pictures = seen.page.query_selector_all(".picture svg")
    kinds = [exhibit.kind for finding in audit.findings for exhibit in finding.exhibits]
    assert len(pictures) == sum(kind not in ("table", "text", "image") for kind in kinds)
    assert len(seen.page.query_selector_all(".plv")) == 2
    for picture in pictures:
        box = picture.bounding_box()
        assert box["width"] > 200
        assert box["height"] > 40
    assert not seen.page.is_visible(".filter")
    assert seen.page.is_visible("#finding-1 .statement")
    assert (seen.requests, seen.complaints) == ([file], [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_and_ink_of_page_and_pictures_differ_enough(visit: Any, file: str, scheme: str) -> None:
    seen = visit(file, color_scheme=scheme, java_script_enabled=True)
    ratio = """(selector) => {
      const light = (colour) => { const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((v) => v / 255)
        .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126*r + 0.7152*g + 0.0722*b; };
      const style = getComputedStyle(document.querySelector(selector));
      const [a, b] = [light(selector.includes("text") ? style.fill : style.color),
                      light(getComputedStyle(document.body).backgroundColor)];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); }"""
    for selector in ("#finding-2 .statement", "#finding-2 .why", "#finding-2 .still text", "#finding-2 .code"):
        assert seen.page.evaluate(ratio, selector) > 4.5, selector


def test_findings_can_be_filtered_and_a_link_brings_one_back(visit: Any, file: str, audit: Any) -> None:
    page = visit(file).page
    page.uncheck(".filter input[value=pass]")
    shown = [finding for finding in audit.findings if finding.verdict != "pass"]
    assert page.locator(".finding:visible").count() == len(shown)
    assert f"{len(shown)} of {len(audit.findings)} findings" in page.inner_text("[role=status]")
    page.evaluate("location.hash = 'finding-2'")
    page.wait_for_selector("#finding-2:not([hidden])")


def test_a_single_decision_can_be_chosen(visit: Any, file: str) -> None:
    page = visit(file).page
    section = page.locator(".chapter", has=page.locator(".choice:visible"))
    assert section.locator(".finding:visible").count() == 3
    section.locator("select").select_option(index=2)
    assert section.locator(".finding:visible").count() == 1
    assert "Row 204" in section.locator(".finding:visible .statement").inner_text()


def test_tooltips_show_text(visit: Any, file: str) -> None:
    seen = visit(file)
    seen.page.locator("[data-picture='finding-5-1']").scroll_into_view_if_needed()
    bar = seen.page.locator("[data-picture='finding-5-1'] .live .mark-rect path").first
    bar.wait_for()
    bar.hover()
    seen.page.wait_for_selector(".tip:visible")
    assert "debt to income" in seen.page.inner_text(".tip")
    assert seen.complaints == []


def test_hostile_names_stay_text(visit: Any, audit: Any, audit_of: Any, tmp_path: Path) -> None:
    exhibits = tuple(
        replace(exhibit, title=HOSTILE, description=HOSTILE, options={**exhibit.options, "x_title": HOSTILE},
                table={**exhibit.table, key: [HOSTILE] * len(exhibit.table[key])})
        for exhibit, key in ((audit.findings[4].exhibits[0], "label"), (audit.findings[9].exhibits[0], "feature"))
    )  # fmt: skip
    path = tmp_path / "hostile.html"
    odd = replace(audit.findings[4], title=HOSTILE, statement=HOSTILE, exhibits=exhibits)
    path.write_text(render_html(audit_of((odd,), model=HOSTILE)), encoding="utf-8")
    seen = visit(path.as_uri())
    seen.see_all()
    seen.page.locator(".live .mark-rect path").first.hover()
    seen.page.wait_for_selector(".tip:visible")
    assert seen.page.query_selector("img") is None
    assert seen.page.title().startswith("Audit of </script>")
    assert (seen.requests, seen.complaints) == ([path.as_uri()], [])


@pytest.mark.parametrize("look", [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": PHONE}])
def test_axe_finds_nothing(visit: Any, file: str, look: dict[str, Any]) -> None:
    seen = visit(file, bypass_csp=True, **look)
    found = seen.axe()
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in found["violations"]] == []
    assert len(found["passes"]) > 15


def test_prints_on_white_paper_without_the_navigation(visit: Any, file: str) -> None:
    seen = visit(file, color_scheme="dark")
    seen.page.emulate_media(media="print")
    assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not seen.page.is_visible("nav")
    assert seen.page.is_visible("#finding-2 .still svg")
