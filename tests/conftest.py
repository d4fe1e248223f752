import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from threadpoolctl import threadpool_limits

hypothesis.settings.register_profile("pellucid", deadline=None, max_examples=50, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("pellucid")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Under PELLUCID_NO_SKIPS a skipped test is a failed one: nothing may be left out unseen."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("PELLUCID_NO_SKIPS") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: {report.longrepr}"


@pytest.fixture(autouse=True)
def one_thread():
    """One thread per library: the models are tiny, and threads that wait for one another are slow."""
    with threadpool_limits(limits=1):
        yield


FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
]
ROOT = Path(__file__).parents[1]
DESK = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on the path")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        yield browser
        browser.close()


class Visit:
    """An opened report, with what it asked for and what it complained about."""

    def __init__(self, browser: Any, file: str, **context: Any) -> None:
        self.context = browser.new_context(offline=True, **{"viewport": DESK, **context})
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.goto(file)

    def see_all(self) -> None:
        """Open what is folded, bring every picture near, and wait until it lives."""
        self.page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        for picture in self.page.query_selector_all("[data-picture]"):
            picture.scroll_into_view_if_needed()
        alive = "document.querySelectorAll('.live svg').length === document.querySelectorAll('[data-picture]').length"
        for _ in range(600):
            if self.page.evaluate(alive):
                return
            self.page.wait_for_timeout(100)
        pytest.fail("not every picture came alive within a minute")

    def axe(self) -> Any:
        """Open everything and ask axe-core what it finds wrong."""
        file = Path(os.environ.get("PELLUCID_AXE", ROOT / "node_modules" / "axe-core" / "axe.min.js"))
        if not file.is_file():
            pytest.skip("axe-core is not installed: npm install --no-save axe-core, or set PELLUCID_AXE to axe.min.js")
        self.see_all()
        self.page.evaluate(file.read_text(encoding="utf-8"))
        return self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")


@pytest.fixture
def visit(browser: Any) -> Iterator[Any]:
    visits: list[Visit] = []

    def opened(file: str, **context: Any) -> Visit:
        visits.append(Visit(browser, file, **context))
        return visits[-1]

    yield opened
    for each in visits:
        each.context.close()
