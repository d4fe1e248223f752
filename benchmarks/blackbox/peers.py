"""The other side of `peer.py`: its environment, made when first needed, and one process that is asked."""

import pickle
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.interpreter import python_312

HERE = Path(__file__).parent
ENVIRONMENT = HERE.parents[1] / "build" / "shapiq-env"
PACKAGES = ("shapiq", "xgboost-cpu", "lightgbm")


class Peer:
    """A running peer process."""

    def __init__(self) -> None:
        if not ENVIRONMENT.exists():
            subprocess.run([python_312(), "-m", "venv", str(ENVIRONMENT)], check=True)
            pip = [ENVIRONMENT / "bin" / "python", "-m", "pip", "install", "-q", *PACKAGES]
            subprocess.run(pip, check=True)
        self._process = subprocess.Popen(
            [ENVIRONMENT / "bin" / "python", HERE / "peer.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.version = self._receive()[1]

    def shapley(self, method: str, game: Callable[[Any], Any], n: int, budget: int, seed: int) -> tuple[Any, float]:
        """Shapley values of a game and the peer's own processor seconds."""
        self._send((method, n, budget, seed))
        empty = float(game(np.zeros((1, n), dtype=bool))[0])
        while True:
            kind, content, *rest = self._receive()
            if kind == "done":
                return content, rest[0]
            if kind == "failed":
                raise RuntimeError(content)
            self._send(game(np.unpackbits(content, axis=1, count=n).astype(bool)) - empty)

    def _send(self, message: Any) -> None:
        pickle.dump(message, self._process.stdin)
        self._process.stdin.flush()

    def _receive(self) -> Any:
        return pickle.load(self._process.stdout)  # noqa: S301 - our own child


@cache
def peer() -> Peer:
    """The one process."""
    return Peer()
