"""A process that has one explainer: `python -m benchmarks.trees.worker` answers lines of JSON until its input ends."""

import ctypes
import gc
import json
import os
import resource
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.trees import models
from benchmarks.trees.environment import DISTRIBUTIONS
from benchmarks.trees.peers import OURS, PEERS, Ready
from benchmarks.trees.scenarios import SCENARIOS


class Worker:
    """One explainer of one peer for one scenario, and the rows it explains."""

    def __init__(self, scenario: str, peer: str, threads: int = 1) -> None:
        self.scenario, self.peer, self.threads = SCENARIOS[scenario], peer, threads
        self.model = models.model(self.scenario.model)
        self.background = models.background_rows(self.scenario.background)
        self.rows = models.explained_rows(self.scenario.rows)
        started = time.process_time()
        self.ready = self.made()
        self.built = time.process_time() - started

    def made(self) -> Ready:
        """Build the explainer."""
        options = {"threads": self.threads} if self.peer == OURS else {}
        return PEERS[self.peer](self.model, self.background, self.scenario, **options)

    def run(self, rows: int, calls: int) -> dict[str, float]:
        """Seconds of one call, the mean of some; the model's own predict apart."""
        X = self.rows[:rows]
        gc.collect()
        clock = self.ready.predicting
        clock.cpu = clock.wall = 0.0
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(calls):
            if self.scenario.work == "load":
                self.made().call(X)
            else:
                self.ready.call(X)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        return {
            "cpu": cpu / calls,
            "wall": wall / calls,
            "predict_cpu": clock.cpu / calls,
            "predict_wall": clock.wall / calls,
        }

    def answer(self, rows: int, path: str) -> dict[str, Any]:
        """Write values, base values and the model's own output for the first rows."""
        values, base = self.ready.read(self.ready.call(self.rows[:rows]))
        own = _margin(self.model, self.rows[:rows])
        np.savez(path, values=values, base=np.nan if base is None else base, own=own)
        return {"built": self.built}

    def memory(self, rows: int) -> dict[str, float]:
        """MiB that one call takes at its peak, beyond what the process holds between calls."""
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # what earlier calls left to be used again would hide what this one takes
        Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is held now
        before = _resident("VmRSS")
        self.ready.call(self.rows[:rows])
        return {"mib": (_resident("VmHWM") - before) / 1024}

    def describe(self) -> dict[str, Any]:
        """Sizes of the trees as we read them."""
        from pellucid._kernels.trees import instruction_sets
        from pellucid.adapters import as_model

        trees = as_model(self.model).structure
        return {
            "versions": {name: version(name) for name in ("numpy", *DISTRIBUTIONS)},
            "instructions": self.scenario.instructions or instruction_sets()[0],
            "trees": trees.n_trees,
            "leaves": int(trees.is_leaf.sum()),
            "depth": trees.depth,
            "features": _most_features(trees),
        }


def _margin(model: Any, X: Any) -> Any:
    """The second class's margin as the library says it: probability for forests, which have no margin."""
    options = {"XGBClassifier": {"output_margin": True}, "LGBMClassifier": {"raw_score": True}}
    options["CatBoostClassifier"] = {"prediction_type": "RawFormulaVal"}
    kind = type(model).__name__
    return model.predict(X, **options[kind]) if kind in options else model.predict_proba(X)[:, 1]


def _most_features(trees: Any) -> int:
    """Most distinct features on one path."""
    most, open_ = 0, [(int(root), frozenset()) for root in trees.roots]
    while open_:
        node, above = open_.pop()
        if trees.feature[node] < 0:
            most = max(most, len(above))
        else:
            here = above | {int(trees.feature[node])}
            open_ += [(int(trees.left[node]), here), (int(trees.right[node]), here)]
    return most


def _resident(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return float(line.split()[1])
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160] if lines else ''}".rstrip(": ")


def main() -> None:
    """Answer until the input ends; what libraries print goes to the error stream."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    worker: Worker | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        work = asked.pop("do")
        try:
            if work == "build":
                worker = Worker(**asked)
                reply: dict[str, Any] = {"built": worker.built}
            else:
                reply = getattr(worker, work)(**asked)
        except Exception as error:
            reply = {"error": _said(error)}
        replies.write(json.dumps(reply) + "\n")


if __name__ == "__main__":
    main()
