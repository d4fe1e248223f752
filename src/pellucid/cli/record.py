"""`pellucid record`: explain decisions and keep a record of each."""

from pathlib import Path
from typing import Any

import click

from pellucid._base.errors import FileError, InputError
from pellucid.cli.files import background_of, chosen_rows, features_of, read_model
from pellucid.cli.text import plain
from pellucid.compliance.log import JSON_LINES, SQLITE, RecordLog
from pellucid.compliance.records import Recorder
from pellucid.explainers.choice import METHODS

BATCH = 1000
ONE = ".json"


@click.command()
@click.argument("model", metavar="MODEL")
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--background", required=True, type=click.Path(path_type=Path), help="Rows that stand for hidden features."
)
@click.option("--out", required=True, type=click.Path(path_type=Path),
              help="A log (.sqlite, .jsonl), which is added to, or one record (.json).")  # fmt: skip
@click.option("--rows", metavar="3,17", help="Positions of the rows to record, from 0.  [default: all]")
@click.option("--target", help="Column of the tables with the truth, which is not a feature.")
@click.option("--method", type=click.Choice(["auto", *METHODS]), default="auto", show_default=True)
@click.option("--space", type=click.Choice(["raw", "probability", "log_odds"]), default="raw", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--force", is_flag=True, help="Overwrite an existing .json; a log is only ever added to.")
@click.option("--trust-pickle", metavar="SHA256", help="Load a pickle whose file has this hash. A pickle runs code.")
@click.option("--trust-type", "trust_types", multiple=True, metavar="NAME", help="Let a skops file hold this type.")
def record(model: str, data: Path, background: Path, out: Path, **options: Any) -> None:
    """Explain rows of DATA and record each decision: values, configuration, versions and hashes, not the row itself.

    \b
    pellucid record model.skops data.csv --background training.csv --out decisions.sqlite
    """
    suffix = out.suffix.lower()
    if suffix not in (ONE, JSON_LINES, *SQLITE):
        raise FileError(f"--out must end in {', '.join((*SQLITE, JSON_LINES, ONE))}; got {out}.")
    if suffix == ONE and out.exists() and not options["force"]:
        raise FileError(f"{out} is already there; choose another name, or allow it with --force.")
    fitted = read_model(model, trust_pickle=options["trust_pickle"], trust_types=options["trust_types"])
    frame = features_of(data, options["target"])
    positions = _positions(options["rows"], len(frame), single=suffix == ONE)
    recorder = Recorder(
        fitted,
        background_of(background, options["target"]),
        method=options["method"],
        space=options["space"],
        random_state=options["seed"],
    )
    if suffix == ONE:
        recorder(frame.iloc[positions])[0].save(out, force=options["force"])
        click.echo(plain(f"Written: {out}"))
        return
    log, head = RecordLog(out), ""
    for start in range(0, len(positions), BATCH):
        head = log.append(recorder(frame.iloc[positions[start : start + BATCH]]))
    click.echo(plain(f"{len(positions):,} records added to {out}."))
    click.echo(f"Head of the chain, to keep elsewhere: {head}")


def _positions(text: str | None, n: int, *, single: bool) -> list[int]:
    positions = list(range(n)) if text is None else chosen_rows(text)
    if not n:
        raise InputError("DATA has no rows, so there is nothing to record.")
    if not isinstance(positions, list):
        raise InputError(f"--rows takes row positions such as 3,17; got {text!r}.")
    if min(positions) < 0 or max(positions) >= n:
        raise InputError(f"--rows must lie between 0 and {n - 1}, the last row; got {text}.")
    if single and len(positions) != 1:
        raise InputError("a .json holds one record: choose one row with --rows, or write a .sqlite or .jsonl log.")
    return positions
