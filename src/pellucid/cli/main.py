"""`pellucid`: the group of commands, and what happens when one cannot run."""

import os
import sys
from collections.abc import Sequence

import click

import pellucid
from pellucid._base.errors import PellucidError
from pellucid.cli.audit import audit
from pellucid.cli.demo import demo
from pellucid.cli.explain import explain
from pellucid.cli.methods import methods
from pellucid.cli.text import plain

COULD_NOT_RUN = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(pellucid.__version__, prog_name="pellucid")
def commands() -> None:
    """Make a model understandable, and show how far each explanation can be trusted.

    \b
    pellucid demo                                      audit a real model on real data
    pellucid audit model.skops data.csv --target deny  audit a model of yours
    pellucid audit data.csv --target deny              check data before modelling begins
    pellucid explain model.skops data.csv --rows 3,17  reasons for single decisions
    """


for command in (audit, explain, demo, methods):
    commands.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: every failure is one sentence on standard error and exit code 2."""
    try:
        code = commands.main(arguments, prog_name="pellucid", standalone_mode=False)
    except click.exceptions.Abort:
        code = _fail("stopped.")
    except click.ClickException as error:
        error.show()
        code = COULD_NOT_RUN
    except PellucidError as error:
        code = _fail(str(error))
    except Exception as error:  # a person at a terminal gets a sentence, not a traceback
        if os.environ.get("PELLUCID_DEBUG"):
            raise
        code = _fail(
            f"an unexpected {type(error).__name__}: {error}. Set PELLUCID_DEBUG=1 to see where, and please report it."
        )
    sys.exit(code or 0)


def _fail(sentence: str) -> int:
    click.echo(f"pellucid: {plain(sentence)}", err=True)
    return COULD_NOT_RUN
