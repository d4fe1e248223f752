"""`pellucid bias`: gaps between groups, what carries them and what can be done, as a report and an exit code."""

from pathlib import Path
from typing import Any

import click

from pellucid.auditing.audit import audit as run_audit
from pellucid.auditing.audit import audit_data
from pellucid.auditing.checks.registry import CHECKS
from pellucid.auditing.findings import Section
from pellucid.auditing.policy import Policy
from pellucid.cli.audit import destinations_of, label_of, model_and_data, show, training_of
from pellucid.cli.files import read_model, read_table, split_target
from pellucid.report import check_target, save_report

BIAS_CHECKS = tuple(check for check in CHECKS if check.section in (Section.SUBJECT, Section.BIAS))


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="[MODEL] DATA")
@click.option("--target", required=True, help="Column of DATA with the truth.")
@click.option("--sensitive", multiple=True, required=True, metavar="COLUMN",
              help="Column with groups to compare; may be repeated.")  # fmt: skip
@click.option("--favorable", help="The outcome a person hopes for, such as the label 'no' of a denial.")
@click.option("--model", "callable_name", metavar="MODULE:FUNCTION", help="A predict function instead of a MODEL file.")
@click.option("--train", type=click.Path(path_type=Path), help="The rows the model was trained on, with the target.")
@click.option("--threshold", type=float, help="Score at which the model decides for its second class.  [default: 0.5]")
@click.option("--out", type=click.Path(path_type=Path), default=Path("bias.html"), show_default=True,
              help="The report for people (HTML).")  # fmt: skip
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path), help="The same for machines.  [default: beside --out]"
)
@click.option("--junit", type=click.Path(path_type=Path), help="JUnit XML for continuous integration.")
@click.option("--policy", "policy_path", type=click.Path(path_type=Path), help="Tolerances (TOML).")
@click.option("--fail-on", type=click.Choice(["warn", "fail"]), default="warn", show_default=True,
              help="Verdict from which the exit code is 1.")  # fmt: skip
@click.option("--fast", is_flag=True, help="Skip the costly checks; the report says so.")
@click.option("--force", is_flag=True, help="Overwrite existing reports.")
@click.option("--trust-pickle", metavar="SHA256", help="Load a pickle whose file has this hash. A pickle runs code.")
@click.option("--trust-type", "trust_types", multiple=True, metavar="NAME", help="Let a skops file hold this type.")
def bias(paths: tuple[str, ...], target: str, **options: Any) -> int:
    """Compare groups in DATA (CSV, TSV or Parquet), and in what a MODEL does with it.

    Without a MODEL the outcomes in the data are compared. The report holds the chapter on bias of `pellucid audit`:
    outcomes, impact ratios, errors, what carries the gap, proxies, equal merit, labels and what can be done.

    Exit code: 0 all held, 1 there are findings at --fail-on, 2 it could not run.

    \b
    pellucid bias model.skops data.csv --target deny --favorable no --sensitive afam
    """
    model_name, data_path = model_and_data(paths, options["callable_name"])
    destinations = destinations_of(options)
    for path in destinations:
        check_target(path, force=options["force"])
    X, y = split_target(read_table(data_path), target, data_path)
    arguments = {
        "sensitive_features": list(options["sensitive"]),
        "favorable": label_of(options["favorable"], y),
        "policy": Policy.load(options["policy_path"]) if options["policy_path"] else None,
        "fast": options["fast"],
        "checks": BIAS_CHECKS,
    }
    if model_name is None:
        result = audit_data(X, y, **arguments)
    else:
        model = read_model(model_name, trust_pickle=options["trust_pickle"], trust_types=options["trust_types"])
        training = training_of(options["train"], target)
        result = run_audit(model, X, y, **training, **arguments, threshold=options["threshold"])
    for path in destinations:
        save_report(result, path, force=options["force"], fail_on=options["fail_on"])
    show(result, destinations)
    return result.exit_code(options["fail_on"])
