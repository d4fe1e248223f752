"""`pellucid methods`: what can be asked for."""

import click

from pellucid.cli.text import wrapped
from pellucid.explainers.choice import METHODS

NEEDS = {"predict": "any model", "trees": "tree ensembles", "linear": "linear models"}


@click.command()
def methods() -> None:
    """List the explanation methods, what each needs and what it answers."""
    for name, method in METHODS.items():
        click.echo(wrapped(f"{method.summary} ({NEEDS[method.needs]})", first=f"{name:<13}", indent=" " * 13))
