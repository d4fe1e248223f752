"""Worker processes seen from outside: asked one thing at a time, and ended when they take too long."""

import json
import select
import subprocess
from typing import Any

from benchmarks.timing import one_thread
from benchmarks.trees.environment import HOME, ROOT, run_in


class RefusedError(Exception):
    """The peer does not do this; the message is its own."""


class TooSlowError(Exception):
    """The peer was ended at its time limit."""


class Crew:
    """One worker: a process with one explainer."""

    def __init__(self, name: str) -> None:
        HOME.mkdir(parents=True, exist_ok=True)
        self._log = (HOME / "workers.log").open("a")
        self._process = subprocess.Popen(
            run_in("benchmarks.trees.worker"),
            cwd=ROOT,
            env=one_thread(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.name = name

    def ask(self, do: str, *, limit: float, **details: Any) -> dict[str, Any]:
        """Return the worker's answer.

        Raises
        ------
        RefusedError, TooSlowError
        """
        self.begin(do, **details)
        return self.reply(do, limit=limit)

    def begin(self, do: str, **details: Any) -> None:
        """Ask without waiting for the answer.

        Raises
        ------
        RefusedError
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **details}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise RefusedError(f"its process ended before it could {do}") from None

    def reply(self, do: str, *, limit: float) -> dict[str, Any]:
        """Return the answer to what was begun.

        Raises
        ------
        RefusedError, TooSlowError
        """
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], limit)[0]:
            self.close()
            raise TooSlowError(f"more than {limit:.0f} s to {do}")
        line = self._process.stdout.readline()
        if not line:
            raise RefusedError(f"its process ended with code {self._process.wait()} in {do}")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise RefusedError(reply["error"])
        return reply

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._log.close()

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
