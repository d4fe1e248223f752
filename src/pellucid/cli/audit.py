"""`pellucid audit`: a model and data in, a report and an exit code out."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from pellucid._base.errors import InputError
from pellucid.auditing.audit import Audit, audit_data
from pellucid.auditing.audit import audit as run_audit
from pellucid.auditing.checks.base import Check
from pellucid.auditing.checks.registry import CHECKS
from pellucid.auditing.policy import Policy
from pellucid.cli.files import chosen_rows, read_model, read_table, split_target
from pellucid.cli.network import audit_network, is_network, of_networks
from pellucid.cli.text import plain, wrapped
from pellucid.report import check_target, save_report

MARKS = {"fail": "FAIL", "warn": "WARN", "note": "note", "pass": "pass", "error": "ERROR", "not_applicable": "n/a"}


def auditing(command: Callable[..., Any], *, out: str, fail_on: str) -> Callable[..., Any]:
    """Give a command what every audit takes: a model and data, and where the report goes."""
    path = click.Path(path_type=Path)
    options = (
        click.argument("paths", nargs=-1, required=True, metavar="[MODEL] DATA"),
        click.option("--target", help="Column (or array) of DATA with the truth; a folder needs none."),
        click.option("--model", "callable_name", metavar="MODULE:NAME",
                     help="A predict function or a network instead of a MODEL file."),
        click.option("--train", type=path, help="The rows the model was trained on, with the target."),
        click.option("--favorable", help="The outcome a person hopes for, such as the label 'no' of a denial."),
        click.option("--threshold", type=float,
                     help="Score at which the model decides for its second class.  [default: 0.5]"),
        click.option("--out", type=path, default=Path(out), show_default=True, help="The report for people (HTML)."),
        click.option("--json", "json_path", type=path,
                     help="The same findings for machines.  [default: beside --out]"),
        click.option("--junit", type=path, help="JUnit XML for continuous integration."),
        click.option("--policy", "policy_path", type=path, help="Tolerances (TOML)."),
        click.option("--fail-on", type=click.Choice(["warn", "fail"]), default=fail_on, show_default=True,
                     help="Verdict from which the exit code is 1."),
        click.option("--fast", is_flag=True, help="Skip the costly checks; the report says so."),
        click.option("--force", is_flag=True, help="Overwrite existing reports."),
        click.option("--trust-pickle", metavar="SHA256",
                     help="Load a pickle whose file has this hash. A pickle runs code."),
        click.option("--trust-type", "trust_types", multiple=True, metavar="NAME",
                     help="Let a skops file hold this type."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@partial(auditing, out="report.html", fail_on="fail")
@click.option("--sensitive", multiple=True, metavar="COLUMN", help="Column with groups to compare; may be repeated.")
@click.option("--rows", metavar="typical|3,17", help="Decisions to explain one by one; none unless asked for.")
@of_networks
def audit(paths: tuple[str, ...], target: str | None, **options: Any) -> int:
    """Audit a MODEL on DATA (CSV, TSV or Parquet), and write one HTML report and the same in JSON.

    Without a MODEL the data are checked before modelling begins. MODEL is a .skops file, XGBoost .json or .ubj,
    LightGBM .txt, CatBoost .cbm, or a pickle with --trust-pickle.

    A network is audited on pictures or texts: MODEL is what torch.save or torch.export.save wrote (.pt, .pth, .pt2,
    with --trust-pickle), DATA a folder with a subfolder for each class, a table with texts, or a NumPy .npz with the
    inputs, the truth, and maybe `pictures` and `class_names`.

    Exit code: 0 all held, 1 there are findings at --fail-on, 2 the audit could not run.

    \b
    pellucid audit model.skops data.csv --target deny --favorable no --sensitive afam
    pellucid audit network.pt2 held_out.npz --target y --rows typical --trust-pickle 9f86d0...
    pellucid audit --model my_code:network photographs/ --preprocess preprocessor_config.json
    pellucid audit --model my_code:network mails.csv --text body --target spam --preprocess my_code:tokenizer
    """
    return run(paths, target, options, CHECKS)


def run(paths: tuple[str, ...], target: str | None, options: dict[str, Any], checks: Sequence[Check]) -> int:
    """Ask these checks of what the command line names, write the reports and return the exit code."""
    model_name, data_path = model_and_data(paths, options["callable_name"])
    destinations = destinations_of(options)
    for path in destinations:
        check_target(path, force=options["force"])
    options |= {"policy": Policy.load(options["policy_path"]) if options["policy_path"] else None}
    if is_network(model_name, data_path, options):
        result = audit_network(model_name, data_path, target, options)
    elif target is None:
        raise InputError(f"say with --target which column of {data_path} holds the truth.")
    else:
        result = audit_table(model_name, data_path, target, options, checks)
    for path in destinations:
        save_report(result, path, force=options["force"], fail_on=options["fail_on"])
    show(result, destinations)
    return result.exit_code(options["fail_on"])


def audit_table(
    model_name: str | None, data_path: Path, target: str, options: dict[str, Any], checks: Sequence[Check]
) -> Audit:
    """Audit a model of tables, or the table alone."""
    X, y = split_target(read_table(data_path), target, data_path)
    arguments = {
        "sensitive_features": list(options["sensitive"]) or None,
        "favorable": label_of(options["favorable"], y),
        "policy": options["policy"],
        "fast": options["fast"],
        "checks": checks,
    }
    if model_name is None:
        about_a_model = [name for name in ("train", "threshold", "rows") if options.get(name) is not None]
        if about_a_model:
            raise InputError(f"--{about_a_model[0]} is about a model, and none was given: expected MODEL DATA.")
        return audit_data(X, y, **arguments)
    model = read_model(model_name, trust_pickle=options["trust_pickle"], trust_types=options["trust_types"])
    arguments |= {"threshold": options["threshold"], "rows": chosen_rows(options.get("rows"))}
    return run_audit(model, X, y, **training_of(options["train"], target), **arguments)


def show(result: Audit, destinations: list[Path]) -> None:
    """Print the most important findings and where the report is."""
    for finding in result.top(3):
        click.echo(wrapped(finding.statement, first=f"  {MARKS[finding.verdict]:<5} ", indent=" " * 8))
    for path in destinations:
        click.echo(plain(f"Report: {path}"))


def model_and_data(paths: tuple[str, ...], callable_name: str | None) -> tuple[str | None, Path]:
    """Which of the arguments is the model, and which the data."""
    if len(paths) > 2 or (callable_name and len(paths) > 1):
        raise InputError(f"expected a model and one data file; got {len(paths)}: {', '.join(paths)}.")
    if len(paths) == 2:
        return paths[0], Path(paths[1])
    return callable_name, Path(paths[0])


def destinations_of(options: dict[str, Any]) -> list[Path]:
    """Files to write: the report, its JSON, and JUnit where it is asked for."""
    html: Path = options["out"]
    if html.suffix != ".html":
        raise InputError(f"--out is the report for people, so its name must end in .html; got {html}.")
    return [html, options["json_path"] or html.with_suffix(".json"), *([options["junit"]] if options["junit"] else [])]


def training_of(path: Path | None, target: str) -> dict[str, Any]:
    """Read the rows the model was trained on, as arguments of an audit."""
    if path is None:
        return {}
    X, y = split_target(read_table(path), target, path)
    return {"X_train": X, "y_train": y}


def label_of(text: str | None, y: Any) -> Any:
    """The favorable label in the target's own type: ``1`` on the command line is the number 1."""
    if text is None:
        return None
    matches = [value for value in y.dropna().unique().tolist() if str(value) == text or _same_number(value, text)]
    if not matches:
        known = ", ".join(map(repr, y.dropna().unique().tolist()[:10]))
        raise InputError(f"--favorable {text!r} is not a value of the target, which has {known}.")
    return matches[0]


def _same_number(value: Any, text: str) -> bool:
    try:
        return float(value) == float(text)
    except (TypeError, ValueError):
        return False
