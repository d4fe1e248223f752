"""The report on a network in a real browser: nothing asked for, nothing complained about, readable by everyone."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pellucid.nn import audit
from pellucid.report import render_html

pytestmark = pytest.mark.browser

LOOKS = [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": {"width": 375, "height": 800}}]
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def audited() -> Any:
    """Pictures that are bright on the left or on the right, and a network that was not trained for it."""
    torch.manual_seed(0)
    x, y = 0.3 * torch.rand(60, 3, 16, 16), np.arange(60) % 2
    for side in (0, 1):
        x[torch.as_tensor(y == side), :, :, 8 * side : 8 * side + 8] += 0.7
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 2)
    ).eval()
    return audit(model, x, y, class_names=["left", HOSTILE], rows="typical")


@pytest.fixture(scope="module")
def file(audited: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("network") / "report.html"
    path.write_text(render_html(audited), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize("look", LOOKS)
def test_every_picture_lives_and_nothing_is_asked_or_complained(visit: Any, file: str, look: dict[str, Any]) -> None:
    seen = visit(file, **look)
    seen.see_all()
    assert [url for url in seen.requests if not url.startswith("data:")] == [file]
    assert seen.complaints == []
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "owned" not in seen.page.title()


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing(visit: Any, file: str, look: dict[str, Any]) -> None:
    found = visit(file, bypass_csp=True, **look).axe()
    assert [(fault["id"], fault["nodes"][0]["html"]) for fault in found["violations"]] == []
    assert len(found["passes"]) > 15


def test_every_decision_has_its_picture_under_its_values(visit: Any, file: str, audited: Any) -> None:
    page = visit(file).page
    decisions = [finding for finding in audited.findings if finding.code == "PEL481"]
    assert decisions
    assert page.locator(".plv-heat").count() == len(decisions)
    assert page.locator(".plv img[src^='data:image/png']").count() >= len(decisions)
