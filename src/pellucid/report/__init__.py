"""Reports: an audit as one HTML file, as JSON, as Markdown and as JUnit XML; compliance artefacts likewise."""

from pellucid.report.artefacts import ARTEFACT_RENDERERS, save_artefact
from pellucid.report.explained import render_explanation
from pellucid.report.html import render_html
from pellucid.report.markdown import render_markdown
from pellucid.report.plain import render_json, render_junit
from pellucid.report.save import EXPLANATION_ENDINGS, check_target, save_explanation, save_report

__all__ = [
    "ARTEFACT_RENDERERS",
    "EXPLANATION_ENDINGS",
    "check_target",
    "render_explanation",
    "render_html",
    "render_json",
    "render_junit",
    "render_markdown",
    "save_artefact",
    "save_explanation",
    "save_report",
]
