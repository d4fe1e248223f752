"""Text and image pictures in a real browser, with the network and scripts off."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from pellucid import plot
from pellucid.plot.inline import Html

pytestmark = pytest.mark.browser


def test_outputs_and_opacity_are_chosen_without_scripts_and_each_picture_for_itself(tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on the path")
    words = plot.text({"token": ["left", "right"], "value": [1.0, -1.0], "output": ["cat", "dog"]})
    table = {"image": [np.eye(8)] * 2, "heat": [np.eye(8), -np.eye(8)], "output": ["cat", "dog"]}
    file = Html(words + plot.image(table)).save(tmp_path / "both.html")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, headless=True, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(offline=True, java_script_enabled=False, color_scheme="dark")
        asked: list[str] = []
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(file.as_uri())
        tokens, heats = page.locator(".plv-text"), page.locator(".plv-heat")

        def shown() -> list[bool]:
            return [tokens.nth(i).is_visible() for i in range(2)] + [heats.nth(i).is_visible() for i in range(2)]

        assert shown() == [True, False, True, False]
        page.get_by_label("dog").first.click()
        assert shown() == [False, True, True, False]
        page.get_by_label("dog").nth(1).click()
        assert shown() == [False, True, False, True]
        page.get_by_label("25 %").click()
        assert heats.nth(1).evaluate("(heat) => getComputedStyle(heat).opacity") == "0.25"
        assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
        assert said == []
        browser.close()
