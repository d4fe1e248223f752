"""`pellucid diff`: two explanations of two periods or versions."""

import json
from pathlib import Path
from typing import Any, BinaryIO

import click

from pellucid._base.files import write_atomically
from pellucid.cli.text import plain, wrapped
from pellucid.compliance.shift import compare
from pellucid.explanation import Explanation
from pellucid.report import check_target


@click.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--output", help="Output to compare, by name.  [default: the last]")
@click.option("--level", type=float, default=0.05, show_default=True, help="Chance of a false alarm, for each test.")
@click.option("--material", type=float, default=0.05, show_default=True,
              help="Change that counts, as a share of the strongest feature's mean attribution.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="Write everything as JSON.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def diff(before: Path, after: Path, output: str | None, out: Path | None, **options: Any) -> int:
    """Tell whether the data or the reasoning shifted between two explanations saved as .pellucid.

    Exit code: 0 no shift shown, 1 a shift, 2 could not run.

    \b
    pellucid diff january.pellucid june.pellucid
    """
    force = options.pop("force")
    if out is not None:
        check_target(out, force=force, endings=(".json",))
    found = compare(Explanation.load(before), Explanation.load(after), output=output, **options)
    click.echo(plain(f"Shift: {found.verdict}."))
    for sentence in found.sentences():
        click.echo(wrapped(sentence))
    if out is not None:
        text = json.dumps(found.to_dict(), allow_nan=False, indent=1, ensure_ascii=False) + "\n"

        def write(file: BinaryIO) -> None:
            file.write(text.encode("utf-8", "replace"))

        write_atomically(out, write, force=force)
        click.echo(plain(f"Written: {out}"))
    return int(found.verdict != "none")
