"""The two demos: a network's audit, from nothing to a report."""

import contextlib
import io
from pathlib import Path

from pellucid._base.typing import Array
from pellucid.auditing.audit import Audit
from pellucid.nn._scoring import all_outputs
from pellucid.nn.auditing.audit import report
from pellucid.nn.demos.lite0 import efficientnet_lite0, prepared
from pellucid.nn.demos.news import TOPICS, news
from pellucid.nn.demos.photographs import class_names, photographs

ABOUT_NEWS = (
    "The texts are 120 BBC news articles of 2004 and 2005, of which the network reads the first 64 tokens. Its encoder "
    "is MiniLM as published; only its head was fitted here, to 400 other articles."
)
ABOUT = (
    "The pictures are 12 views of each of 10 photographs, so they are not independent, and intervals are too narrow "
    "for photographs at large. Where several classes fit a photograph, such as three kinds of cat, the one with the "
    "highest score counts as true."
)


def audit_photographs(path: Path, *, fast: bool = False, force: bool = False) -> Audit:
    """Audit EfficientNet-Lite0 on photographs, and write the report."""
    network, shown = efficientnet_lite0(), photographs()
    inputs = prepared(shown.pictures)
    scores: Array = all_outputs(network, inputs, 4).numpy()
    return report(
        network, inputs, shown.labels(scores), path, force=force, fast=fast, class_names=class_names(),
        pictures=shown.pictures, about=ABOUT, rows="typical",
    )  # fmt: skip


def audit_news(path: Path, *, fast: bool = False, force: bool = False) -> Audit:
    """Audit a news classifier on top of MiniLM, and write the report."""
    with contextlib.redirect_stdout(io.StringIO()):  # the corpus prints where it lies
        given = news()
    return report(
        given.network, list(given.texts), given.topics.numpy(), path, force=force, fast=fast, class_names=TOPICS,
        tokenizer=given.tokenizer, about=ABOUT_NEWS, rows="typical",
    )  # fmt: skip
