"""An explanation as a page: each row's waterfall, the measure of its error and how it was made."""

from dataclasses import asdict

from pellucid._base.numbers import number_text
from pellucid.explanation import Explanation
from pellucid.plot import waterfall, waterfall_data
from pellucid.plot.labels import shorten
from pellucid.plot.tables import one_output
from pellucid.report.page import page
from pellucid.report.pictures import picture_of_chart
from pellucid.report.view import Figure, facts_of, grid_of, prose

MOST_ROWS = 20
"""Rows drawn in one page; more belong in a table."""


def render_explanation(explanation: Explanation, *, output: str | int | None = None, title: str | None = None) -> str:
    """Return an explanation as one self-contained HTML page.

    Parameters
    ----------
    explanation : Explanation
        The first 20 rows are shown; take others with `Explanation.take`.
    output : str or int, optional
        Which output; needed where there are more than two.
    title : str, optional
        The page's heading.
    """
    k = one_output(explanation.outputs, output)
    figures = [_figure(explanation, row, k) for row in range(min(len(explanation), MOST_ROWS))]
    quality, provenance = explanation.quality, explanation.provenance
    measured: dict[str, object] = {"residual against the model": quality.residual}
    measured |= {"bound of the residual": quality.bound, "model rows evaluated": quality.evaluations.model_rows}
    if quality.local_r2 is not None:
        measured["local R², smallest"] = float(quality.local_r2.min())
    if explanation.std_error is not None:
        measured["standard error, largest"] = float(explanation.std_error.max())
    return page(
        "explanation.html.j2",
        figures=figures,
        title=prose(title or f"Explanation of {provenance.model}"),
        shown=figures,
        left_out=len(explanation) - len(figures),
        method=prose(provenance.method),
        reason=prose(provenance.reason),
        background=prose(provenance.background),
        warnings=[prose(sentence) for sentence in quality.warnings],
        measured=facts_of(measured),
        record=facts_of(asdict(provenance)),
    )


def _figure(explanation: Explanation, row: int, k: int) -> Figure:
    said, base = float(explanation.prediction[row, k]), float(explanation.base_values[row, k])
    table = waterfall_data(explanation, row=row, output=k, top=len(explanation.features) + 1)
    name = shorten(explanation.outputs[k], 80)
    largest = ", ".join(shorten(feature, 40) for feature in table["feature"][:3])
    words = f"{name} goes from {number_text(base)} to {number_text(said)}; the largest contributions: {largest}."
    chart = waterfall(explanation, row=row, output=k, description=words)
    return Figure(
        name=f"row-{row}",
        kind="waterfall",
        caption=f"Row {row}: {words}",
        description=words,
        picture=picture_of_chart(chart, f"row-{row}"),
        grid=grid_of(table),
    )
