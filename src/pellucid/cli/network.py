"""Networks named on the command line, and their rows: arrays, folders, tables of texts."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from pellucid._base.errors import FileError, InputError
from pellucid.adapters.files import load_callable
from pellucid.auditing.audit import Audit
from pellucid.cli.files import chosen_rows, read_table, split_target
from pellucid.table import listed

NETWORKS = (".pt", ".pth", ".pt2")
ROWS = ".npz"
TABLES = (".csv", ".tsv", ".parquet")
OF_TABLES = ("train", "favorable", "sensitive", "threshold", "trust_types")
"""Options that mean nothing to a network."""
OF_NETWORKS = ("preprocess", "text", "classes")
"""Options that mean nothing to a model of tables."""


def of_networks(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command what the rows of a network need."""
    options = (
        click.option("--preprocess", metavar="FILE.json|MODULE:NAME",
                     help="How pictures of a folder become inputs: a preprocessor_config.json, or a function such as "
                     "torchvision's transforms. For texts: a tokenizer in code."),
        click.option("--text", metavar="COLUMN", help="Column of DATA with the texts that a network reads."),
        click.option("--classes", type=click.Path(path_type=Path),
                     help="Names of a network's outputs in their order: one a line, or JSON with id2label.  "
                     "[default: labels in alphabetical order]"),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def is_network(model_name: str | None, data_path: Path, options: Mapping[str, Any]) -> bool:
    """Whether a model or its rows are a network's, by their endings or by what is asked for."""
    asked = any(options.get(name) for name in OF_NETWORKS)
    return asked or data_path.is_dir() or data_path.suffix.lower() == ROWS or _is_file(model_name or "")


def audit_network(model_name: str | None, data_path: Path, target: str | None, options: Mapping[str, Any]) -> Audit:
    """Audit a network on the rows of a NumPy file, a folder, or a table with a column of texts."""
    for name in OF_TABLES:
        if options[name]:
            raise InputError(f"--{name.replace('_', '-').rstrip('s')} is for models of tables; leave it out.")
    if model_name is None:
        raise InputError(f"{data_path} holds rows of a network; name the network before it, or with --model.")
    rows = _rows(data_path, target, options)
    if _is_file(model_name):
        files = importlib.import_module("pellucid.nn.files")  # it loads torch
        network = files.load_network(model_name, trust_pickle=options["trust_pickle"])
    else:
        network = load_callable(model_name)
    found: Audit = importlib.import_module("pellucid.nn").audit(
        network, rows.inputs, rows.y, pictures=rows.pictures, class_names=rows.class_names, tokenizer=rows.tokenizer,
        about=rows.about, rows=chosen_rows(options["rows"]), policy=options["policy"], fast=options["fast"],
    )  # fmt: skip
    return found


def _rows(path: Path, target: str | None, options: Mapping[str, Any]) -> Any:
    """The rows, read by what they are."""
    files, folders = (importlib.import_module(f"pellucid.nn.{name}") for name in ("files", "folders"))
    classes = None if options["classes"] is None else folders.read_classes(options["classes"])
    if path.is_dir():
        for name, given in (("target", target), ("text", options["text"])):
            if given:
                raise InputError(
                    f"--{name} is for tables and arrays; a folder's classes are its subfolders. Leave it out."
                )
        return folders.load_folder(path, _prepare(options["preprocess"], path), classes=classes)
    if target is None:
        raise InputError(f"say with --target where {path} holds the truth.")
    if path.suffix.lower() == ROWS:
        for name in OF_NETWORKS:
            if options[name]:
                raise InputError(f"--{name} is for folders and texts; {path} holds inputs as the network takes them.")
        return files.load_rows(path, target)
    if path.suffix.lower() not in TABLES:
        raise FileError(
            f"a network's rows are a folder with a subfolder for each class, a table with texts ({', '.join(TABLES)}, "
            f"with --text), or arrays in a NumPy file ({ROWS}, from numpy.savez); got {path}."
        )
    return _texts(path, target, options, classes)


def _texts(path: Path, target: str, options: Mapping[str, Any], classes: Any) -> Any:
    """Texts and labels in columns of a table."""
    files, folders = (importlib.import_module(f"pellucid.nn.{name}") for name in ("files", "folders"))
    frame = read_table(path)
    if not options["text"]:
        raise InputError(
            f"say with --text which column of {path} holds the texts: it has {listed(frame.columns)}. Pictures come as "
            "a folder, other inputs as a NumPy file."
        )
    tokenizer = _prepare(options["preprocess"], path)
    _, labels = split_target(frame, target, path)
    _, texts = split_target(frame, options["text"], path, option="--text")
    for name, column in ((options["text"], texts), (target, labels)):
        if column.isna().any():
            raise InputError(
                f"column {name!r} of {path} is empty in row {int(column.isna().argmax())}; fill or drop it."
            )
    y, names = folders.classes_of(labels.tolist(), classes)
    about = f"The rows are the {len(frame)} texts in {path.name}. {folders.said_of_classes(names, classes, 'labels')}"
    return files.Rows(
        inputs=tuple(map(str, texts)), y=y, pictures=None, class_names=names, tokenizer=tokenizer, about=about
    )


def _prepare(name: str | None, path: Path) -> Any:
    """What makes a network's inputs of pictures or texts: declared in a file, or an object in code."""
    if name is None:
        raise InputError(
            f"say with --preprocess how {path} becomes the network's inputs; nothing is guessed. For pictures: the "
            "preprocessor_config.json that a model came with, or module:name of a function from a picture to a tensor, "
            "such as torchvision's transforms. For texts: module:name of a fast tokenizer."
        )
    if Path(name).suffix.lower() == ".json":
        return importlib.import_module("pellucid.nn.preparing").read_preparation(name)
    return load_callable(name)


def _is_file(model_name: str) -> bool:
    return Path(model_name).suffix.lower() in NETWORKS
