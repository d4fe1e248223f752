"""`verify`: make recorded explanations again, and say what is not as it was recorded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid._base.errors import InputError, PellucidError
from pellucid._base.numbers import figure
from pellucid.compliance.fingerprints import canonical, row_digests
from pellucid.compliance.records import Record, Recorder, Sealed
from pellucid.explainers.choice import METHODS
from pellucid.table import Table


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Something that is not as it was recorded.

    Parameters
    ----------
    position : int
        Of the record, from 0.
    part : str
        ``model``, ``background``, ``row``, ``configuration``, ``values`` or ``record``.
    detail : str
    """

    position: int
    part: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What came of making recorded explanations again.

    Parameters
    ----------
    n : int
        Records.
    same_bits : int
        Records whose values and predictions came back with every bit.
    largest_difference : float
        Between a recorded and a recomputed value, over all records that were recomputed.
    differences : tuple of Difference
    versions : mapping of str to (str, str)
        Packages whose version is another now: recorded, present. No difference by itself.
    """

    n: int
    same_bits: int
    largest_difference: float
    differences: tuple[Difference, ...]
    versions: Mapping[str, tuple[str, str]]

    @property
    def ok(self) -> bool:
        """Whether everything was as recorded, to the bit or within the stated tolerance."""
        return not self.differences

    def sentences(self) -> tuple[str, ...]:
        """Say what was found."""
        bad = len({difference.position for difference in self.differences})
        near = self.n - bad - self.same_bits
        said = [
            f"{self.n - bad:,} of {self.n:,} records are as they were made, {self.same_bits:,} of them bit for bit"
            + (
                f" and {near:,} within their tolerance (differences up to {figure(self.largest_difference)})."
                if near
                else "."
            )
        ]
        said += [f"Record {d.position}: the {d.part} differs. {d.detail}" for d in self.differences[:20]]
        if len(self.differences) > 20:
            said.append(f"{len(self.differences) - 20:,} further differences are not listed.")
        said += [f"{name} was {then} and is {now}." for name, (then, now) in self.versions.items()]
        return tuple(said)

    def __repr__(self) -> str:
        return "\n".join([f"Verification(ok={self.ok})", *(f"  {sentence}" for sentence in self.sentences())])


def verify(
    records: Record | Sealed | Iterable[Record | Sealed],
    model: Any,
    *,
    X: Any,
    background: Any,
    n_jobs: int | None = None,
) -> Verification:
    """Make recorded explanations again and compare.

    Parameters
    ----------
    records : Record, or what `Record.load` returned, or several (a `RecordLog` is iterable)
    model : object
        The model that is said to have decided.
    X : table
        Rows among which the recorded ones are: each is found by its hash, so order and company do not matter.
    background : table
        The background rows that are said to have been used.
    n_jobs : int, optional
        Threads; the answer does not depend on it.

    Returns
    -------
    Verification
        With every difference and the part it lies in: model, background, row, configuration, values or record.
    """
    asked = [records] if isinstance(records, Record | Sealed) or not isinstance(records, Iterable) else list(records)
    for item in asked:
        if not isinstance(item, Record | Sealed):
            raise InputError(f"verify takes records, or a RecordLog of them; got {type(item).__name__}.")
    rows = Table.of(background, what="background")
    table = Table.of(X)
    differences: list[Difference] = []
    groups: dict[str, list[tuple[int, Record]]] = {}
    for position, item in enumerate(asked):
        record = item.record if isinstance(item, Sealed) else item
        broken = _broken_seal(item)
        if broken:
            differences.append(Difference(position=position, part=broken, detail="It was changed after it was sealed."))
        else:
            groups.setdefault(canonical([record.configuration, list(record.features)]), []).append((position, record))
    same, largest = 0, 0.0
    versions: dict[str, tuple[str, str]] = {}
    for group in groups.values():
        found, exact, most, changed = _recomputed(group, model, table, rows, n_jobs)
        differences += found
        same, largest = same + exact, max(largest, most)
        versions.update(changed)
    return Verification(
        n=len(asked),
        same_bits=same,
        largest_difference=largest,
        differences=tuple(sorted(differences, key=lambda d: d.position)),
        versions=versions,
    )


def _broken_seal(item: Record | Sealed) -> str:
    """Name the innermost part that is not as it was sealed; empty where all are, or nothing was sealed."""
    if isinstance(item, Record):
        return ""
    return next((part for part, seal in item.record.seals.items() if item.seals.get(part) != seal), "")


_Outcome = tuple[list[Difference], int, float, dict[str, tuple[str, str]]]


def _recomputed(
    group: list[tuple[int, Record]], model: Any, table: Table, background: Table, n_jobs: int | None
) -> _Outcome:
    """Compare the records of one configuration, all rows in one batch."""
    first = group[0][1]
    try:
        recorder = _recorder(first, model, background, n_jobs)
        aligned = table.aligned(first.features, owner="the record")
        hashes = (recorder.model_hash, recorder.explainer.background.digest())  # type: ignore[union-attr]
    except (PellucidError, KeyError, TypeError, ValueError) as error:
        detail = f"It cannot be used with what was given: {error!s:.200}"
        return [Difference(position=p, part="configuration", detail=detail) for p, _ in group], 0, 0.0, {}
    place = {row: i for i, row in reversed(list(enumerate(row_digests(aligned))))}
    differences = [
        Difference(position=position, part=part, detail=detail)
        for position, record in group
        for part, detail in _other_hashes(record, hashes, place)
    ]
    bad = {difference.position for difference in differences}
    good = [(position, record) for position, record in group if position not in bad]
    if not good:
        return differences, 0, 0.0, {}
    again = recorder(aligned.take([place[record.row] for _, record in good]))
    same, largest = 0, 0.0
    for (position, record), new in zip(good, again, strict=True):
        gap = _gap(record, new)
        same += gap == 0.0
        largest = max(largest, gap)
        allowed = min(record.tolerance, 2 * new.tolerance)  # a record that was edited may claim any tolerance
        if not gap <= allowed:
            detail = f"They differ by {figure(gap)}; {figure(allowed)} is allowed."
            differences.append(Difference(position=position, part="values", detail=detail))
    now = again[0].versions
    changed = {name: (then, now.get(name, "absent")) for name, then in first.versions.items() if now.get(name) != then}
    return differences, same, largest, changed


def _recorder(record: Record, model: Any, background: Table, n_jobs: int | None) -> Recorder:
    chosen = record.configuration
    if chosen["method"] not in METHODS:
        raise InputError(f"there is no method {chosen['method']!r:.40}")
    return Recorder(
        model,
        background,
        method=METHODS[chosen["method"]](**chosen["parameters"]),
        output=chosen["outputs"],
        space=chosen["space"],
        budget=chosen["budget"],
        tol=chosen["tol"],
        random_state=chosen["random_state"],
        n_jobs=n_jobs,
    )


def _other_hashes(record: Record, hashes: tuple[str, str], place: Mapping[str, int]) -> Iterable[tuple[str, str]]:
    for part, recorded, present in (("model", record.model, hashes[0]), ("background", record.background, hashes[1])):
        if recorded != present:
            yield part, f"Recorded {recorded[:19]}…, given {present[:19]}…."
    if record.row not in place:
        yield "row", "No row of the table that was given has the recorded hash."


def _gap(record: Record, new: Record) -> float:
    """Largest difference of any number; zero only where every bit is the same."""
    if record.features != new.features or record.outputs != new.outputs:
        return float("inf")
    pairs: list[tuple[Any, Any]] = [
        (record.values, new.values), (record.base_values, new.base_values), (record.prediction, new.prediction)
    ]  # fmt: skip
    if any(np.shape(then) != np.shape(now) for then, now in pairs):
        return float("inf")
    return float(max(np.abs(np.subtract(then, now)).max(initial=0.0) for then, now in pairs))
