"""`pellucid explain`: reasons for single decisions."""

from pathlib import Path
from typing import Any

import click
import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.numbers import number_text, number_texts
from pellucid._door import Explainer
from pellucid.cli.files import background_of, chosen_rows, features_of, read_model
from pellucid.cli.text import plain
from pellucid.explainers.choice import METHODS
from pellucid.explanation import Explanation
from pellucid.ir import Space
from pellucid.report import EXPLANATION_ENDINGS, check_target, save_explanation

BACKGROUND_ROWS = 200
SHOWN_FEATURES = 8


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--rows", required=True, metavar="3,17", help="Positions of the rows to explain, from 0.")
@click.option(
    "--background", type=click.Path(path_type=Path), help="Rows that stand for hidden features.  [default: DATA]"
)
@click.option("--target", help="Column of DATA with the truth, which is not a feature.")
@click.option("--method", type=click.Choice(["auto", *METHODS]), default="auto", show_default=True)
@click.option("--output", help="Output to explain, by name.  [default: the last]")
@click.option("--space", type=click.Choice(["raw", "probability", "log_odds"]), default="raw", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write a page (.html) or the explanation itself (.pellucid)."
)
@click.option("--force", is_flag=True, help="Overwrite existing files.")
@click.option("--trust-pickle", metavar="SHA256", help="Load a pickle whose file has this hash. A pickle runs code.")
@click.option("--trust-type", "trust_types", multiple=True, metavar="NAME", help="Let a skops file hold this type.")
def explain(model: str, data: Path, rows: str, **options: Any) -> None:
    """Explain rows of DATA: how much each feature moved the MODEL's output.

    \b
    pellucid explain model.skops data.csv --rows 3,17
    """
    if options["out"] is not None:
        check_target(options["out"], force=options["force"], endings=EXPLANATION_ENDINGS)
    positions = chosen_rows(rows)
    if not isinstance(positions, list):
        raise InputError("--rows takes row positions such as 3,17.")
    fitted = read_model(model, trust_pickle=options["trust_pickle"], trust_types=options["trust_types"])
    frame = features_of(data, options["target"])
    if min(positions) < 0 or max(positions) >= len(frame):
        raise InputError(f"--rows must lie between 0 and {len(frame) - 1}, the last row of {data}; got {rows}.")
    explainer = Explainer(
        fitted, _background(frame, options), method=options["method"], output=options["output"], space=options["space"]
    )
    explanation = explainer(frame.iloc[positions])
    output = options["output"] or explanation.outputs[-1]
    for place, position in enumerate(positions):
        _show_row(explanation, place, position, output)
    click.echo(plain(_quality_line(explanation)))
    if options["out"] is not None:
        save_explanation(explanation, options["out"], output=output, force=options["force"])
        click.echo(plain(f"Written: {options['out']}"))


def _background(frame: Any, options: dict[str, Any]) -> Any:
    rows = frame if options["background"] is None else background_of(options["background"], options["target"])
    if len(rows) <= BACKGROUND_ROWS:
        return rows
    click.echo(f"Background: {BACKGROUND_ROWS} of {len(rows)} rows, evenly spaced.", err=True)
    return rows.iloc[np.linspace(0, len(rows) - 1, BACKGROUND_ROWS).astype(int)]


def _show_row(explanation: Explanation, place: int, position: int, output: str) -> None:
    k = explanation.output_index(output)
    values = explanation.values[place, :, k]
    base, total = number_texts([explanation.base_values[place, k], explanation.prediction[place, k]])
    unit = "" if explanation.space is Space.RAW else f" ({str(explanation.space).replace('_', '-')})"
    click.echo(plain(f"Row {position}: {output}{unit} is {total}, counted from {base}, the background's mean."))
    leading = np.argsort(-np.abs(values), kind="stable")[:SHOWN_FEATURES]
    for j, text in zip(leading, number_texts(values[leading].tolist(), signed=True), strict=True):
        error = "" if explanation.std_error is None else f" ± {number_text(1.96 * explanation.std_error[place, j, k])}"
        feature = explanation.features[j]
        click.echo(plain(f"  {text:>9}{error}  {feature} = {_cell(explanation, feature, place)}"))


def _cell(explanation: Explanation, feature: str, place: int) -> str:
    """The row's own value, as short as it reads."""
    value = None if explanation.data is None else explanation.data.column(feature)[place]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _quality_line(explanation: Explanation) -> str:
    quality, method = explanation.quality, explanation.provenance.method
    residual = number_text(quality.residual)
    if quality.bound is None:
        return f"Method {method}: values need not add up to the model's output; they differ by at most {residual}."
    bound = number_text(quality.bound)
    return f"Method {method}: values add up to the model's output within {residual} (rounding allows {bound})."
