"""Networks named on the command line."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pellucid._base.errors import FileError, InputError
from pellucid.adapters.files import load_callable
from pellucid.auditing.audit import Audit
from pellucid.cli.files import chosen_rows

NETWORKS = (".pt", ".pth", ".pt2")
ROWS = ".npz"
OF_TABLES = ("train", "favorable", "sensitive", "threshold", "trust_types")
"""Options that mean nothing to a network."""


def is_network(model_name: str | None, data_path: Path) -> bool:
    """Whether a model or its rows are a network's, by their endings."""
    return data_path.suffix.lower() == ROWS or (model_name is not None and _is_file(model_name))


def audit_network(model_name: str | None, data_path: Path, target: str, options: Mapping[str, Any]) -> Audit:
    """Audit a network on the rows of a NumPy file."""
    for name in OF_TABLES:
        if options[name]:
            raise InputError(f"--{name.replace('_', '-').rstrip('s')} is for models of tables; leave it out.")
    if model_name is None:
        raise InputError(f"{data_path} holds rows of a network; name the network before it, or with --model.")
    if data_path.suffix.lower() != ROWS:
        raise FileError(
            f"a network's rows come in a NumPy file that ends in {ROWS}, with the inputs and the truth; got "
            f"{data_path}. numpy.savez('held_out.npz', x=x, y=y) writes one. Texts are audited with pellucid.nn.audit."
        )
    files = importlib.import_module("pellucid.nn.files")  # it loads torch
    rows = files.load_rows(data_path, target)
    if _is_file(model_name):
        network = files.load_network(model_name, trust_pickle=options["trust_pickle"])
    else:
        network = load_callable(model_name)
    found: Audit = importlib.import_module("pellucid.nn").audit(
        network, rows.inputs, rows.y, pictures=rows.pictures, class_names=rows.class_names,
        rows=chosen_rows(options["rows"]), policy=options["policy"], fast=options["fast"],
    )  # fmt: skip
    return found


def _is_file(model_name: str) -> bool:
    return Path(model_name).suffix.lower() in NETWORKS
