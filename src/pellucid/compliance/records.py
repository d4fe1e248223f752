"""`Record`: one explained decision with the hashes that let somebody else check it; `Recorder` makes them."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np

from pellucid._base.errors import FileError, InputError, UnsupportedRequestError
from pellucid._base.files import path_of, write_atomically
from pellucid._base.typing import Float1, Float2
from pellucid._door import Explainer
from pellucid.compliance.fingerprints import canonical, digest, json_value, model_digest, row_digests
from pellucid.explainers.base import Method
from pellucid.explainers.choice import METHODS
from pellucid.explanation import Explanation
from pellucid.table import Table

SCHEMA = "pellucid.record/1"
HEADER = ("schema", "model", "background", "configuration", "versions", "features", "outputs")
"""Fields that all records of one recorder share; a log keeps them once."""
LARGEST_FILE = 1 << 28


@dataclass(frozen=True, kw_only=True)
class Record:
    """What was decided about one row, why, and the hashes that identify everything behind it.

    The row itself is not kept: only its hash, so a record gives no data away beyond the explanation.

    Parameters
    ----------
    model, background, row : str
        SHA-256 of the model, of the background rows and of this row.
    configuration : mapping
        Method and its parameters, space, outputs, budget, tolerance and seed: everything that was chosen.
    versions : mapping of str to str
        Packages that took part.
    features, outputs : tuple of str
    values : tuple of tuple of float, (features, outputs)
    base_values, prediction : tuple of float, (outputs,)
        `prediction` is the model's own output.
    tolerance : float
        How far a recomputation on another machine may lie from the values.
    time : str
        When it was recorded, in UTC.
    reference : str
        The caller's own name for the decision; empty where there is none.
    schema : str
    """

    model: str
    background: str
    row: str
    configuration: Mapping[str, Any]
    versions: Mapping[str, str]
    features: tuple[str, ...]
    outputs: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    base_values: tuple[float, ...]
    prediction: tuple[float, ...]
    tolerance: float
    time: str
    reference: str = ""
    schema: str = SCHEMA

    @property
    def seals(self) -> dict[str, str]:
        """Hashes of the configuration, of the values and of the whole record, in the order they are checked."""
        content = self.to_dict()
        numbers = {name: content[name] for name in ("values", "base_values", "prediction", "tolerance")}
        return {
            "configuration": digest(canonical(content["configuration"])),
            "values": digest(canonical(numbers)),
            "record": digest(canonical(content)),
        }

    def to_dict(self) -> dict[str, Any]:
        """Every field as JSON holds it."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_dict(cls, content: Any) -> Self:
        """Read what `to_dict` gave, from JSON.

        Raises
        ------
        InputError
            When fields are missing, unknown or of another kind.
        """
        names = {f.name for f in fields(cls)}
        if not isinstance(content, Mapping) or set(content) != names:
            raise InputError(f"a record has the fields {', '.join(sorted(names))}")
        if content["schema"] != SCHEMA:
            raise InputError(
                f"a record of schema {content['schema']!r:.40} cannot be read; this pellucid reads {SCHEMA}"
            )
        try:
            read = {
                **content,
                "features": tuple(map(_text, content["features"])),
                "outputs": tuple(map(_text, content["outputs"])),
                "values": tuple(tuple(map(_number, row)) for row in content["values"]),
                **{name: tuple(map(_number, content[name])) for name in ("base_values", "prediction")},
                "tolerance": _number(content["tolerance"]),
                **{name: _text(content[name]) for name in ("model", "background", "row", "time", "reference")},
                **{name: dict(content[name]) for name in ("configuration", "versions")},
            }
        except (TypeError, ValueError) as error:
            raise InputError(f"a field of the record is not what it should be: {error!s:.80}") from error
        return cls(**read)

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Write the record and its seals as JSON; an existing file is replaced only with `force`."""
        text = json.dumps({**self.to_dict(), "seals": self.seals}, indent=1, ensure_ascii=True, allow_nan=False) + "\n"

        def write(file: BinaryIO) -> None:
            file.write(text.encode("ascii"))

        return write_atomically(path, write, force=force)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Sealed":
        """Read a record that `save` wrote, with the seals it had then; `verify` compares them.

        Raises
        ------
        FileError
            When the file cannot be read or holds no record.
        """
        file = path_of(path)
        try:
            if file.stat().st_size > LARGEST_FILE:
                raise FileError(f"{file} is too large for a record.")
            content = json.loads(file.read_bytes())
            seals = content.pop("seals")
            return Sealed(record=cls.from_dict(content), seals={str(k): str(v) for k, v in seals.items()})
        except FileError:
            raise
        except OSError as error:
            raise FileError(f"{file} cannot be read: {error.strerror or error}.") from error
        except Exception as error:  # whatever else a damaged file provokes, damage is what it means
            raise FileError(f"{file} is no record, or is damaged: {error!s:.200}.") from error


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A record as a file or a log has it, with the hashes it was sealed with."""

    record: Record
    seals: Mapping[str, str]


class Recorder:
    """A model made ready to explain decisions and keep a record of each. Parameters as of `Explainer`.

    Parameters
    ----------
    model : object
    background : table of shape (background rows, features)
    method, output, space, budget, tol, random_state, n_jobs
        As of `Explainer`.

    Examples
    --------
    >>> import pellucid
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> recorder = pellucid.Recorder(LinearRegression().fit(X, y), X.head(50))
    >>> records = recorder(X.tail(3))
    >>> bool(pellucid.verify(records, recorder.model, X=X, background=X.head(50)).ok)
    True
    """

    def __init__(
        self,
        model: Any,
        background: Any,
        *,
        method: str | Method = "auto",
        output: str | int | Sequence[str | int] | None = None,
        space: str = "raw",
        budget: int | None = None,
        tol: float | None = None,
        random_state: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        if background is None:
            raise InputError("a record needs background=: the rows that stand for a hidden feature.")
        self.model = model
        self.explainer = Explainer(
            model, background, method=method, output=output, space=space, budget=budget, tol=tol,
            random_state=random_state, n_jobs=n_jobs, progress=False,
        )  # fmt: skip
        chosen = self.explainer.choice.method
        if type(chosen) is not METHODS.get(chosen.name):
            raise UnsupportedRequestError(
                f"only pellucid's own methods can be recorded, because verifying makes them again; got {chosen!r:.60}."
            )
        names = self.explainer.model.outputs_in(self.explainer.space)
        self._configuration = {
            "method": chosen.name,
            "parameters": json_value(asdict(chosen), "the method"),  # type: ignore[call-overload]
            "space": str(self.explainer.space),
            "outputs": list(names) if output is None else _named(output, names),
            "budget": json_value(budget, "budget"),
            "tol": json_value(tol, "tol"),
            "random_state": int(random_state),
        }

    @cached_property
    def model_hash(self) -> str:
        """Hash of the model."""
        return model_digest(self.model, self._background)

    @property
    def _background(self) -> Table:
        if self.explainer.background is None:
            raise InputError("the background has no columns that could be matched.")
        return self.explainer.background

    def __call__(self, X: Any, *, references: Sequence[str] | None = None) -> list[Record]:
        """Explain rows together and return a record of each.

        Parameters
        ----------
        X : table of shape (rows, features)
        references : sequence of str, optional
            The caller's own names for the decisions, one per row.
        """
        explanation = self.explainer(X)
        table = explanation.data
        if table is None:
            raise InputError("the explanation has lost its rows, so nothing can be recorded.")
        said = [""] * len(table) if references is None else [str(name) for name in references]
        if len(said) != len(table):
            raise InputError(f"references must have one name for each of the {len(table)} rows; got {len(said)}.")
        shared: dict[str, Any] = {
            "model": self.model_hash,
            "background": self._background.digest(),
            "configuration": self._configuration,
            "versions": dict(explanation.provenance.versions),
            "features": explanation.features,
            "outputs": explanation.outputs,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        outputs = self.predictions(explanation)
        numbers = zip(
            row_digests(table), said, explanation.values.tolist(), explanation.base_values.tolist(), outputs.tolist(),
            tolerances(explanation).tolist(), strict=True,
        )  # fmt: skip
        return [
            Record(
                row=row,
                reference=name,
                values=tuple(map(tuple, values)),
                base_values=tuple(base),
                prediction=tuple(prediction),
                tolerance=tolerance,
                **shared,
            )
            for row, name, values, base, prediction, tolerance in numbers
        ]

    def predictions(self, explanation: Explanation) -> Float2:
        """Return the model's own outputs for explained rows, those that the explanation kept."""
        if explanation.data is None:
            raise InputError("the explanation has lost its rows.")
        known = self.explainer.model.outputs_in(self.explainer.space)
        kept = [known.index(name) for name in explanation.outputs]
        return self.explainer.model.predict(explanation.data, self.explainer.space)[:, kept]


def tolerances(explanation: Explanation) -> Float1:
    """How far each row may lie off on another machine: its rounding bound on both, and 1e-9 of its size."""
    size = np.abs(explanation.values).max(axis=(1, 2), initial=0.0)
    size = np.maximum(size, np.abs(explanation.prediction).max(axis=1, initial=0.0))
    return np.asarray(2 * (explanation.quality.bound or 0.0) + 1e-9 * size)


def _named(output: Any, names: Sequence[str]) -> list[str]:
    wanted = [output] if isinstance(output, str | int | np.integer) else list(output)
    return [item if isinstance(item, str) else names[int(item)] for item in wanted]


def _number(value: Any) -> float:
    number = float(value)
    if not np.isfinite(number):
        raise ValueError(f"expected a finite number, got {number}")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {value!r:.40}")
    return value
