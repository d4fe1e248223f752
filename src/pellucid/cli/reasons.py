"""`pellucid reasons`: principal reasons of adverse decisions."""

from pathlib import Path
from typing import Any

import click

from pellucid._base.errors import InputError
from pellucid._base.numbers import figure
from pellucid.adapters import as_model
from pellucid.cli.files import background_of, features_of, read_model
from pellucid.cli.text import plain, wrapped
from pellucid.compliance.artefacts import artefact
from pellucid.compliance.reason_nouns import ReasonCodes
from pellucid.compliance.reasons import reason_codes
from pellucid.compliance.references import METHODS
from pellucid.compliance.worksheets import adverse_action_sheets
from pellucid.report import ARTEFACT_RENDERERS, check_target, save_artefact
from pellucid.table import Table

SHOWN_DECISIONS = 5


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--cutoff", type=float, required=True, help="Score from which an application is approved, in --space.")
@click.option("--favorable", help="The class a person hopes for; 'high' or 'low' for a model with one number.")
@click.option(
    "--background", type=click.Path(path_type=Path), help="Applicants to compare with.  [default: those of DATA]"
)
@click.option("--target", help="Column of the tables with the truth, which is not a feature.")
@click.option("--method", type=click.Choice(METHODS), default="approved", show_default=True,
              help="Compare with applicants at or just above the cut-off, or with all.")  # fmt: skip
@click.option("--codebook", type=click.Path(path_type=Path), help="Codes, sentences, groups and marks (TOML).")
@click.option("--most", type=click.IntRange(min=1), default=4, show_default=True, help="Most reasons per decision.")
@click.option("--space", type=click.Choice(["raw", "probability", "log_odds"]), default="raw", show_default=True)
@click.option("--declared", type=click.Path(path_type=Path), help="What you declare for the worksheet (TOML).")
@click.option("--out", type=click.Path(path_type=Path), help="Write the worksheet (.html, .md or .json).")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.option("--trust-pickle", metavar="SHA256", help="Load a pickle whose file has this hash. A pickle runs code.")
@click.option("--trust-type", "trust_types", multiple=True, metavar="NAME", help="Let a skops file hold this type.")
def reasons(model: str, data: Path, **options: Any) -> int:
    """List the principal reasons of every row of DATA that the MODEL scores below the cut-off.

    Exit code: 0 held, 1 a notice is blocked or a decision has no reason, 2 could not run.

    \b
    pellucid reasons model.skops applicants.csv --cutoff 0.5 --space probability --favorable no
    """
    out = options["out"]
    if out is not None:
        check_target(out, force=options["force"], endings=ARTEFACT_RENDERERS)
    fitted = read_model(model, trust_pickle=options["trust_pickle"], trust_types=options["trust_types"])
    rows = features_of(data, options["target"])
    background = rows if options["background"] is None else background_of(options["background"], options["target"])
    found = reason_codes(
        fitted,
        rows,
        cutoff=options["cutoff"],
        favorable=_label(fitted, background, options["favorable"]),
        background=background,
        method=options["method"],
        codebook=options["codebook"],
        max_reasons=options["most"],
        space=options["space"],
    )
    _show(found)
    if out is not None:
        sheets = adverse_action_sheets(found)
        save_artefact(artefact("reg-b", declared=options["declared"], sheets=sheets), out, force=options["force"])
        click.echo(plain(f"Written: {out}"))
    return int(bool(found.findings()))


def _label(model: Any, rows: Any, text: str | None) -> Any:
    """The label in the model's own type: ``1`` on the command line is the number 1."""
    classes = as_model(model, reference=Table.of(rows)).classes
    if text is None or classes is None:
        return text
    labels = classes.tolist()
    matches = [label for label in labels if str(label) == text]
    if not matches:
        raise InputError(f"--favorable {text!r} is no class of the model, which has {', '.join(map(repr, labels))}.")
    return matches[0]


def _show(found: ReasonCodes) -> None:
    cutoff = f"{figure(found.cutoff)} ({found.space})"
    click.echo(plain(f"{len(found):,} of {found.n_rows:,} rows are below the cut-off {cutoff}."))
    for decision in found.decisions[:SHOWN_DECISIONS]:
        state = " Blocked." if decision.blocked else ""
        distance = figure(decision.distance)
        click.echo(plain(f"Row {decision.row}: {distance} from the cut-off.{state}"))
        for reason in decision.reasons:
            words = (
                f"{reason.words()} ({figure(reason.contribution)}; alone it moves the score by {figure(reason.move)})"
            )
            click.echo(wrapped(words, first="  * ", indent="    "))
    if len(found) > SHOWN_DECISIONS:
        click.echo(f"{len(found) - SHOWN_DECISIONS:,} further decisions are not shown; --out writes all of them.")
    for sentence in found.findings():
        click.echo(wrapped(sentence, first="Finding: ", indent="  "))
