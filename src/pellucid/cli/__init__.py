"""The command line: strings in, exit code out (0 held, 1 findings, 2 could not run)."""

from pellucid.cli.main import main

__all__ = ["main"]
