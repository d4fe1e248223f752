"""`pellucid bias`: gaps between groups, what carries them and what can be done, as a report and an exit code."""

from functools import partial
from typing import Any

import click

from pellucid.auditing.checks.registry import CHECKS
from pellucid.auditing.findings import Section
from pellucid.cli.audit import auditing, run

BIAS_CHECKS = tuple(check for check in CHECKS if check.section in (Section.SUBJECT, Section.BIAS))


@click.command()
@partial(auditing, out="bias.html", fail_on="warn")
@click.option("--sensitive", multiple=True, required=True, metavar="COLUMN",
              help="Column with groups to compare; may be repeated.")  # fmt: skip
def bias(paths: tuple[str, ...], target: str | None, **options: Any) -> int:
    """Compare groups in DATA (CSV, TSV or Parquet), and in what a MODEL does with it.

    Without a MODEL the outcomes in the data are compared. The report holds the chapter on bias of `pellucid audit`:
    outcomes, impact ratios, errors, what carries the gap, proxies, equal merit, labels and what can be done.

    Exit code: 0 all held, 1 there are findings at --fail-on, 2 it could not run.

    \b
    pellucid bias model.skops data.csv --target deny --favorable no --sensitive afam
    """
    return run(paths, target, options, BIAS_CHECKS)
