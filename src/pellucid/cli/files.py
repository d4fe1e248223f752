"""Files in: tables and models named on the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pellucid._base.errors import ColumnError, FileError, InputError
from pellucid.adapters.files import load_callable, load_model

MISSING_WORDS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL"]


def read_table(path: Path) -> Any:
    """Read a CSV, TSV or Parquet file into a pandas frame."""
    import pandas as pd  # a third party, loaded for the command that reads a table

    readers = {".csv": pd.read_csv, ".tsv": pd.read_csv, ".parquet": pd.read_parquet}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise FileError(f"{path} is not a table pellucid reads; give a file that ends in {', '.join(readers)}.")
    if not path.is_file():
        raise FileError(f"there is no file {path}.")
    try:
        if suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, sep="\t" if suffix == ".tsv" else ",", keep_default_na=False, na_values=MISSING_WORDS)
    except ImportError as error:
        raise FileError(f"{path} needs the package pyarrow: pip install pyarrow. Or save it as CSV.") from error
    except Exception as error:
        raise FileError(f"{path} could not be read as a table: {error}") from error


def read_model(name: str, *, trust_pickle: str | None, trust_types: Sequence[str]) -> Any:
    """Load a model file, or the function that ``module:attribute`` names."""
    if ":" in name and not Path(name).exists():
        return load_callable(name)
    return load_model(name, trust_pickle=trust_pickle, trust_types=trust_types)


def split_target(frame: Any, target: str, path: Path, option: str = "--target") -> tuple[Any, Any]:
    """Features and target of a frame; an unknown target is an error that lists the columns."""
    if target not in frame.columns:
        known = ", ".join(map(repr, frame.columns[:20]))
        raise ColumnError(f"{path} has no column {target!r} for {option}. It has {known}.")
    return frame.drop(columns=[target]), frame[target]


def features_of(path: Path, target: str | None) -> Any:
    """Read a table without its target, which it must have where one is named."""
    frame = read_table(path)
    return frame if target is None else split_target(frame, target, path)[0]


def background_of(path: Path, target: str | None) -> Any:
    """Read a table of rows to compare with, without the target where it has one."""
    frame = read_table(path)
    return frame if target is None else frame.drop(columns=[target], errors="ignore")


def chosen_rows(text: str | None) -> str | list[int] | None:
    """Rows named on the command line: ``typical``, or positions such as ``3,17``."""
    if text is None or text == "typical":
        return text
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--rows takes 'typical' or row positions such as 3,17; got {text!r}.") from None
