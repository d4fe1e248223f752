"""`python -m benchmarks.records`: explaining and recording decisions of the demo's model, in SQLite and JSON lines."""

import platform
import tempfile
import time
from itertools import product
from pathlib import Path

from sklearn.model_selection import train_test_split

import pellucid
from pellucid.cli.demo import mortgage_model
from pellucid.datasets import load_hmda

MEMORY = Path("/dev/shm")  # noqa: S108 - where there is no disk to wait for
PLACES = {"disk": None, **({"memory": MEMORY} if MEMORY.is_dir() else {})}
BATCHES = {"all at once": 952, "100 at a time": 100, "one at a time": 1}
MOST_BATCHES = 30
"""Calls that are timed: one at a time, the model's own pipeline takes most of it."""


def subject():
    """The demo's model, the rows it decides about and 200 background rows."""
    data = load_hmda()
    X_train, X_test, y_train, _ = train_test_split(data.X, data.y, test_size=0.4, stratify=data.y, random_state=0)
    return mortgage_model().fit(X_train, y_train), X_test, X_train.head(200)


def clocked(recorder, log, X, size):
    """Return the decisions recorded, the seconds for explaining and for keeping them, and the processor's seconds."""
    explained = kept = 0.0
    worked = time.process_time()
    for start in range(0, len(X), size)[:MOST_BATCHES]:
        begun = time.perf_counter()
        records = recorder(X.iloc[start : start + size])
        ready = time.perf_counter()
        log.append(records)
        explained, kept = explained + ready - begun, kept + time.perf_counter() - ready
    return len(log), explained, kept, time.process_time() - worked


def main():
    model, X, background = subject()
    recorder = pellucid.Recorder(model, background)
    recorder(X.head(2))  # the hash of the model is made once
    print(
        f"Python {platform.python_version()}, {platform.machine()}; 100 boosted trees, {X.shape[1]} features, ", end=""
    )
    print(f"{len(background)} background rows\n")
    print("| log | where | decisions | explaining, s | keeping, s | a second | a processor second |")
    print("|---|---|---|---|---|---|---|")
    for (name, size), ending, (where, folder) in product(BATCHES.items(), (".sqlite", ".jsonl"), PLACES.items()):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            log = pellucid.RecordLog(Path(place) / f"log{ending}")
            n, explained, kept, worked = clocked(recorder, log, X, size)
            assert log.problems() == ()
        rates = f"{n / (explained + kept):,.0f} | {n / worked:,.0f}"
        print(f"| {ending}, {name} | {where} | {n} | {explained:.2f} | {kept:.2f} | {rates} |", flush=True)


if __name__ == "__main__":
    main()
