"""`pellucid card`: a model card, or a draft of evidence for a rule, from an audit and what you declare."""

import json
from pathlib import Path
from typing import Any

import click

from pellucid._base.errors import FileError, InputError
from pellucid.cli.files import read_table, split_target
from pellucid.cli.text import plain
from pellucid.compliance.artefacts import MISSING, Sheet, artefact
from pellucid.compliance.rules import rule_packs
from pellucid.compliance.worksheets import ll144_sheets
from pellucid.report import ARTEFACT_RENDERERS, check_target, save_artefact


@click.command()
@click.argument("audit", required=False, type=click.Path(path_type=Path), metavar="[AUDIT.json]")
@click.option("--rule", type=click.Choice(sorted(rule_packs())), default="model-card", show_default=True,
              help="What to fill in.")  # fmt: skip
@click.option("--declared", type=click.Path(path_type=Path), help="What you declare (TOML).")
@click.option("--data", type=click.Path(path_type=Path), help="For nyc-ll144: one row per person.")
@click.option("--target", help="For nyc-ll144: column of DATA with the outcome, or with the score.")
@click.option("--favorable", help="For nyc-ll144: value of the outcome that means selected; without it a score.")
@click.option("--sensitive", multiple=True, metavar="COLUMN", help="For nyc-ll144: column of categories; repeatable.")
@click.option("--complete", is_flag=True, help="Exit with 1 when a field is missing.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Ends in .html, .md or .json.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def card(audit: Path | None, rule: str, **options: Any) -> int:
    """Fill in a model card or another draft from the JSON that `pellucid audit` wrote.

    Every field says whether it was measured, declared by you, or is missing.

    \b
    pellucid card report.json --declared declared.toml --out README.md
    pellucid card report.json --rule eu-ai-act-annex-iv --out annex-iv.html
    pellucid card --rule nyc-ll144 --data hired.csv --target hired --favorable yes --sensitive sex --out ll144.md
    """
    check_target(options["out"], force=options["force"], endings=ARTEFACT_RENDERERS)
    draft = artefact(
        rule,
        audit=None if audit is None else _read_audit(audit),
        declared=options["declared"],
        sheets=_sheets(rule, options),
    )
    save_artefact(draft, options["out"], force=options["force"])
    counts = draft.counts()
    click.echo(plain(f"{draft.title}: " + ", ".join(f"{n} {status}" for status, n in counts.items()) + "."))
    click.echo(plain(f"Written: {options['out']}"))
    return int(options["complete"] and counts[MISSING] > 0)


def _read_audit(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise FileError(f"{path} is not the JSON that `pellucid audit` wrote: {error!s:.100}.") from error


def _sheets(rule: str, options: dict[str, Any]) -> tuple[Sheet, ...]:
    given = [name for name in ("data", "target", "favorable", "sensitive") if options[name]]
    if not given:
        return ()
    if rule != "nyc-ll144":
        raise InputError(f"--{given[0]} belongs to --rule nyc-ll144; {rule} is filled from an audit.")
    if not (options["data"] and options["target"] and options["sensitive"]):
        raise InputError("the tables of nyc-ll144 need --data, --target and --sensitive together.")
    features, outcome = split_target(read_table(options["data"]), options["target"], options["data"])
    unknown = [name for name in options["sensitive"] if name not in features.columns]
    if unknown:
        raise InputError(f"{options['data']} has no column {unknown[0]!r} for --sensitive.")
    columns = features[list(options["sensitive"])]
    if options["favorable"] is None:
        return ll144_sheets(columns, score=outcome.to_numpy())
    selected = (outcome.astype(str) == options["favorable"]).to_numpy(dtype=bool)
    if not selected.any():
        raise InputError(f"--favorable {options['favorable']!r} is no value of {options['target']!r}.")
    return ll144_sheets(columns, selected=selected)
