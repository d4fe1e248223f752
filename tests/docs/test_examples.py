"""Every example in the documentation runs: doctests of the package, Python blocks of README and docs."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import pellucid

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def modules_with_examples():
    for info in pkgutil.walk_packages(pellucid.__path__, "pellucid."):
        spec = info.module_finder.find_spec(info.name, None)
        source = Path(spec.origin)
        if source.suffix == ".py" and ">>> " in source.read_text(encoding="utf-8"):
            yield info.name


@pytest.mark.parametrize("name", sorted(modules_with_examples()))
def test_doctests(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.filterwarnings("ignore:The set_.* function will be deprecated:PendingDeprecationWarning")  # shap's import
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    namespace = {"__name__": "__main__"}
    for block in blocks:
        exec(compile(block, str(page), "exec"), namespace)  # noqa: S102 - our own pages


@pytest.mark.parametrize("page", sorted({*PAGES, *ROOT.glob("*.md")}), ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"
