"""`pellucid`: the group of commands, and what happens when one cannot run."""

import importlib
import os
import sys
from collections.abc import Sequence

import click

import pellucid
from pellucid._base.errors import PellucidError
from pellucid.cli.text import plain

COMMANDS = {
    "audit": "Audit a model, or data before modelling begins.",
    "bias": "Compare groups in data, and in what a model does with them.",
    "explain": "Reasons for single decisions.",
    "reasons": "Principal reasons of adverse decisions, each tested on the model.",
    "card": "A model card, or a draft of evidence for a rule.",
    "record": "Record explained decisions in an append-only log.",
    "verify": "Make recorded explanations again, and check a log.",
    "diff": "Compare two explanations: did the data or the reasoning shift?",
    "demo": "Audit a real model on real mortgage data.",
    "methods": "List the explanation methods.",
}

COULD_NOT_RUN = 2


class Commands(click.Group):
    """Commands that are loaded when they are called, so that help comes at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order they are shown."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load the command's module, which has the command's own name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"pellucid.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(pellucid.__version__, prog_name="pellucid")
def commands() -> None:
    """Make a model understandable, and show how far each explanation can be trusted.

    \b
    pellucid demo                                      audit a real model on real data
    pellucid audit model.skops data.csv --target deny  audit a model of yours
    pellucid audit data.csv --target deny              check data before modelling begins
    pellucid explain model.skops data.csv --rows 3,17  reasons for single decisions
    """


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
