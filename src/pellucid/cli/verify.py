"""`pellucid verify`: make recorded explanations again, and check that a log is as it was written."""

from pathlib import Path
from typing import Any

import click

from pellucid._base.errors import FileError, InputError
from pellucid.cli.files import background_of, features_of, read_model
from pellucid.cli.text import plain, wrapped
from pellucid.compliance.log import RecordLog
from pellucid.compliance.records import Record
from pellucid.compliance.verify import verify as verify_records


@click.command()
@click.argument("path", metavar="RECORDS", type=click.Path(path_type=Path))
@click.option("--model", help="The model that is said to have decided.")
@click.option("--data", type=click.Path(path_type=Path), help="Rows among which the recorded ones are.")
@click.option(
    "--background", type=click.Path(path_type=Path), help="The background rows that are said to have been used."
)
@click.option("--target", help="Column of the tables with the truth, which is not a feature.")
@click.option("--head", help="A head of the chain that you kept: it must still be in the log.")
@click.option("--trust-pickle", metavar="SHA256", help="Load a pickle whose file has this hash. A pickle runs code.")
@click.option("--trust-type", "trust_types", multiple=True, metavar="NAME", help="Let a skops file hold this type.")
def verify(path: Path, **options: Any) -> int:
    """Verify RECORDS: a record (.json), or a log (.sqlite, .jsonl) whose chain is checked too.

    With --model, --data and --background the explanations are made again and compared.
    Exit code: 0 everything is as recorded, 1 something differs, 2 could not run.

    \b
    pellucid verify decisions.sqlite --model model.skops --data data.csv --background training.csv
    """
    if not path.is_file():
        raise FileError(f"there is no file {path}.")
    single = path.suffix.lower() == ".json"
    given = [name for name in ("model", "data", "background") if options[name]]
    if len(given) not in (0, 3) or (single and not given):
        raise InputError("to make explanations again, --model, --data and --background are needed together.")
    if single and options["head"]:
        raise InputError("--head belongs to a log; a single record has no chain.")
    broken = () if single else _check_chain(RecordLog(path), options["head"])
    if broken or not given:
        return int(bool(broken))
    fitted = read_model(options["model"], trust_pickle=options["trust_pickle"], trust_types=options["trust_types"])
    found = verify_records(
        Record.load(path) if single else RecordLog(path),
        fitted,
        X=features_of(options["data"], options["target"]),
        background=background_of(options["background"], options["target"]),
    )
    for sentence in found.sentences():
        click.echo(wrapped(sentence))
    return int(not found.ok)


def _check_chain(log: RecordLog, head: str | None) -> tuple[str, ...]:
    problems = log.problems(head=head)
    for sentence in problems:
        click.echo(wrapped(sentence, first="Chain: ", indent="  "))
    if not problems:
        kept = "" if head else " Entries cut off at the end show only with --head."
        click.echo(plain(f"Chain: {len(log):,} entries, each as it was written.{kept}"))
    if log.remark():
        click.echo(wrapped(log.remark()))
    return problems
