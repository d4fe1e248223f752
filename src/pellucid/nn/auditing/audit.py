"""`pellucid.nn.audit`: ask every question of a network, and report what was found."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, cast

from torch import Tensor

from pellucid._base.progress import Progress, track
from pellucid.auditing.audit import Audit
from pellucid.auditing.checks.base import Check, Question, run_check
from pellucid.auditing.findings import Finding, Section, Verdict
from pellucid.auditing.subject import Subject
from pellucid.auditing.subject_facts import SubjectFacts, versions_of
from pellucid.nn._scoring import first_input
from pellucid.nn.auditing.layers import Idle, Probing
from pellucid.nn.auditing.looks import Decisions, Faithful, Gap, Learned
from pellucid.nn.auditing.parts import Needed
from pellucid.nn.auditing.reliability import ShortcutsTaken
from pellucid.nn.auditing.subject import NetworkSubject
from pellucid.nn.auditing.works import Accuracy, Confidence, Network
from pellucid.report.save import check_target, save_report

QUESTIONS: tuple[Question, ...] = (
    Network(),
    Accuracy(),
    Confidence(),
    Probing(),
    Idle(),
    Needed(cost="costly"),
    Decisions(),
    Gap(),
    Faithful(cost="costly"),
    Learned(cost="costly"),
    ShortcutsTaken(cost="costly"),
)
"""The questions, in the order in which they are asked."""


def audit(
    model: Any,
    inputs: Any,
    y: Any,
    *,
    class_names: Sequence[str] | None = None,
    pictures: Any = None,
    tokenizer: Any = None,
    about: str = "",
    rows: str | Sequence[int] | None = None,
    policy: Any = None,
    fast: bool = False,
    random_state: int = 0,
    progress: Progress = None,
) -> Audit:
    """Audit a network that sorts pictures or texts, on rows that it has not seen.

    Parameters
    ----------
    model : torch.nn.Module
        Returns class scores of shape (rows, classes). It is asked in evaluation mode and left as it was.
    inputs : tensor of shape (rows, 1 or 3, height, width), or sequence of str
        Pictures as the network takes them, or texts (with `tokenizer`); at least 20.
    y : int array of shape (rows,)
        The true class of each row.
    class_names : sequence of str, optional
        A name for each class.
    pictures : uint8 array of shape (rows, height, width, 3), optional
        The pictures as a person sees them; by default the inputs, stretched.
    tokenizer : fast tokenizer of transformers, optional
        Turns texts into what the network takes by name (``input_ids``, ``attention_mask``); texts are cut at its
        ``model_max_length``.
    about : str
        What the rows are, in a sentence for the report: where they come from, and whether they are independent of each
        other, as all intervals take them to be.
    rows : "typical" or list of int, optional
        Rows whose decisions are shown; none unless asked for, because rows may be people.
    policy : path, dict or Policy, optional
        Tolerances; see `pellucid.Policy`.
    fast : bool
        Skip the costly questions; the audit says which.
    random_state : int
        Seed of everything random.
    progress : bool or callable, optional

    Returns
    -------
    Audit

    Raises
    ------
    InputError
        When an argument is not what was expected.

    Examples
    --------
    >>> import torch
    >>> from pellucid.nn.auditing.audit import audit
    >>> x = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> y = (x.mean((1, 2, 3)) > 0.5).long()
    >>> model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    >>> audit(model, x, y.numpy(), fast=True).subject.model
    'Sequential'
    """
    started = perf_counter()
    subject = NetworkSubject.of(
        model, inputs, y, class_names=class_names, pictures=pictures, tokenizer=tokenizer, about=about, rows=rows,
        policy=policy, fast=fast, random_state=random_state, progress=progress,
    )  # fmt: skip
    asked = [question for question in QUESTIONS if not (fast and question.cost == "costly")]
    found: list[Finding] = []
    for question in track(asked, task="audit", total=len(asked), progress=progress):
        found.extend(run_check(cast(Check, question), cast(Subject, subject)))
    order = list(Section)
    found.sort(key=lambda finding: order.index(finding.section))
    skipped = [question for question in QUESTIONS if question not in asked]
    return Audit(
        subject=_facts(subject, found, skipped),
        findings=tuple(found),
        policy=subject.policy,
        seconds=perf_counter() - started,
    )


def report(
    model: Any, inputs: Any, y: Any, path: str | Path, *, force: bool = False, fail_on: str = "fail", **options: Any
) -> Audit:
    """Audit a network and write what was found.

    Parameters
    ----------
    model, inputs, y, **options
        As in `audit`.
    path : str or Path
        Ends in ``.html``, ``.json``, ``.xml`` or ``.md``.
    force : bool
        Replace a file that is already there.
    fail_on : {"fail", "warn"}
        As in `pellucid.save_report`.

    Returns
    -------
    Audit

    Raises
    ------
    InputError, FileError
        Before the network is asked, where the file could not be written.
    """
    check_target(path, force=force)
    found = audit(model, inputs, y, **options)
    save_report(found, path, force=force, fail_on=fail_on)
    return found


def _facts(subject: NetworkSubject, found: Sequence[Finding], skipped: Sequence[Question]) -> SubjectFacts:
    said = [f"{question.code} {question.title}: skipped, because fast was asked for." for question in skipped]
    said += [
        f"{finding.code} {finding.title}: {finding.statement[:1].lower()}{finding.statement[1:]}"
        for finding in found
        if finding.verdict in (Verdict.NOT_APPLICABLE, Verdict.ERROR)
    ]
    what = "pictures" if subject.texts is None else "texts"
    single = (
        f"The {what} that were asked for (section Single decisions)."
        if subject.rows
        else f"No single one of the {what}."
    )
    return SubjectFacts(
        model=subject.label,
        task="classes",
        features=(what,),
        classes=subject.class_names if len(subject.class_names) <= 50 else (f"{len(subject.class_names)} classes",),
        favorable=None,
        sensitive=(),
        n_rows=subject.n,
        n_train=0,
        background=_hidden(subject),
        random_state=subject.random_state,
        hashes={"inputs": _digest(first_input(subject.inputs))},
        versions=versions_of("torch"),
        contains=("Figures over many rows, and names of layers and classes.", single),
        not_measured=tuple(said),
    )


def _hidden(subject: NetworkSubject) -> str:
    """What stands in for parts that are hidden."""
    if subject.texts is None:
        return "Hidden areas of a picture become 0, as the network takes it, or the picture blurred."
    masked = subject.tokenizer.mask_token_id is not None
    return f"Hidden tokens become the {'mask' if masked else 'padding'} token."


def _digest(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.cpu().contiguous().numpy().tobytes()).hexdigest()
