"""Compliance artefacts: every field of a rule measured, declared by the user, or missing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.files import read_toml
from pellucid._base.words import did_you_mean, leading
from pellucid.compliance.rules import RuleField, RulePack, rule_pack, rule_packs

MEASURED, DECLARED, MISSING = "measured", "declared by you", "missing"
STALE_MONTHS = 12
AUDIT_SCHEMA = "pellucid.audit/1"
FRONT_MATTER = ("language", "license", "library_name", "dataset_name", "model_name")
"""Declarations that only a model card's front matter has a place for."""
_SILENT = ("not_applicable", "error")
_PRIVATE = ("PEL4",)
"""Findings about single rows: people, who stand in no artefact unless asked for."""


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A field of a rule and what answers it.

    Parameters
    ----------
    id, asks : str
    status : str
        ``"measured"``, ``"declared by you"`` or ``"missing"``; where both answer it, ``"measured"``, and the
        declaration is marked in its sentence.
    sentences : tuple of str
    sources : tuple of str
        Codes of the findings, or the key of the declaration.
    lacking : str
        What would answer a field that is missing.
    """

    id: str
    asks: str
    status: str
    sentences: tuple[str, ...]
    sources: tuple[str, ...]
    lacking: str = ""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A table of an artefact.

    Parameters
    ----------
    title, note : str
    columns : mapping of str to sequence
        Of equal length; cells are None, text or numbers.
    answers : str
        Name of what it measures, which the fields of a rule know as ``sheet:<name>``; empty for none.
    """

    title: str
    note: str
    columns: Mapping[str, Sequence[Any]]
    answers: str = ""


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """A draft of evidence for one rule.

    Parameters
    ----------
    pack : RulePack
        The rule as it stood on its date.
    title : str
    fields : tuple of Filled
    sheets : tuple of Sheet
    made : str
        Date of the draft.
    notes : tuple of str
        Sentences a reader must see, the pack's own among them.
    front_matter : mapping
        For the model card's YAML header.
    """

    pack: RulePack
    title: str
    fields: tuple[Filled, ...]
    sheets: tuple[Sheet, ...] = ()
    made: str
    notes: tuple[str, ...] = ()
    front_matter: Mapping[str, Any] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """How many fields are measured, declared and missing."""
        return {status: sum(f.status == status for f in self.fields) for status in (MEASURED, DECLARED, MISSING)}


def artefact(
    rule: str,
    *,
    audit: Any = None,
    declared: Any = None,
    sheets: Iterable[Sheet] = (),
    today: date | None = None,
) -> Artefact:
    """Fill the fields of a rule from an audit and from what you declare.

    Parameters
    ----------
    rule : str
        Id of a rule pack, such as ``"eu-ai-act-annex-iv"`` or ``"model-card"``.
    audit : Audit or mapping, optional
        An audit, or the JSON that one was saved as.
    declared : path or mapping, optional
        TOML or mapping of the declarations that the packs name; see `declarations`.
    sheets : iterable of Sheet
        Tables to add.
    today : date, optional
        Date of the draft; a pack older than a year is pointed out.

    Raises
    ------
    InputError
        When the rule, a declaration or the audit is unknown.

    Examples
    --------
    >>> from pellucid.compliance.artefacts import artefact
    >>> draft = artefact("gdpr", declared={"contact": "privacy@example.org"})
    >>> draft.counts()["declared by you"]
    1
    """
    pack = rule_pack(rule)
    tables = tuple(sheets)
    evidence = {**_evidence(audit), **_tables(tables)}
    said = read_declared(declared)
    day = date.today() if today is None else today
    return Artefact(
        pack=pack,
        title=pack.title,
        fields=tuple(_filled(f, evidence, said) for f in pack.fields),
        sheets=tables,
        made=day.isoformat(),
        notes=(*pack.notes, *_stale(pack, day)),
        front_matter=_front_matter(audit, said) if rule == "model-card" else {},
    )


def declarations() -> tuple[str, ...]:
    """Every key that may be declared, sorted."""
    named = {f.declared for pack in rule_packs().values() for f in pack.fields if f.declared}
    return tuple(sorted(named | set(FRONT_MATTER)))


def read_declared(declared: Any) -> dict[str, str]:
    """Read declarations from TOML or a mapping: text by key.

    Raises
    ------
    FileError
        When the file cannot be read or is not TOML.
    InputError
        When a key is unknown or a value is not text.
    """
    if declared is None:
        return {}
    if isinstance(declared, str | Path):
        declared = read_toml(declared, "declaration")
    if not isinstance(declared, Mapping):
        raise InputError(f"declared must be a path to a TOML file or a mapping; got {type(declared).__name__}.")
    known = declarations()
    for key, value in declared.items():
        if key not in known:
            hint = did_you_mean(key, known)
            raise InputError(f"there is no declaration {key!r:.80}.{hint} There are {', '.join(known)}.")
        if not isinstance(value, str) or not value.strip():
            raise InputError(
                f"the declaration {key!r} must be text; got {value!r:.60}. Leave it out if it is not known."
            )
    return dict(declared)


def _evidence(audit: Any) -> dict[str, tuple[str, ...]]:
    """Sentences by finding code and by ``subject:<fact>``."""
    if audit is None:
        return {}
    content = read_audit(audit)
    found: dict[str, list[str]] = {}
    for finding in content["findings"]:
        code = str(finding["code"])
        if finding["verdict"] not in _SILENT and not code.startswith(_PRIVATE):
            found.setdefault(code, []).append(str(finding["statement"]))
    facts = {f"subject:{name}": (str(value),) for name, value in content["subject"].items() if isinstance(value, str)}
    return {**{code: tuple(sentences) for code, sentences in found.items()}, **facts}


def _tables(sheets: Iterable[Sheet]) -> dict[str, tuple[str, ...]]:
    """Where to look, by ``sheet:<name>``."""
    titles: dict[str, list[str]] = {}
    for sheet in sheets:
        if sheet.answers:
            titles.setdefault(f"sheet:{sheet.answers}", []).append(f"‘{sheet.title}’")
    return {name: (f"Measured in the tables of this draft: {', '.join(found)}.",) for name, found in titles.items()}


def read_audit(audit: Any) -> Mapping[str, Any]:
    """Return an audit as the mapping that its JSON has.

    Raises
    ------
    InputError
        When it is none.
    """
    content = audit.to_dict() if hasattr(audit, "to_dict") else audit
    if not isinstance(content, Mapping) or content.get("schema") != AUDIT_SCHEMA:
        raise InputError(
            "audit must be an Audit, or the JSON that `pellucid audit` wrote (its schema is "
            f"{AUDIT_SCHEMA!r}); got {type(audit).__name__}."
        )
    findings = content.get("findings")
    keys = {"code", "verdict", "statement"}
    if not isinstance(content.get("subject"), Mapping) or not isinstance(findings, list | tuple):
        raise InputError("the audit's JSON is damaged: it has no subject or no findings.")
    if not all(isinstance(item, Mapping) and keys <= set(item) for item in findings):
        raise InputError("the audit's JSON is damaged: a finding lacks its code, verdict or statement.")
    return content


def _filled(asked: RuleField, evidence: Mapping[str, tuple[str, ...]], said: Mapping[str, str]) -> Filled:
    sources = [code for code in asked.measured if code in evidence]
    sentences = [sentence for code in sources for sentence in evidence[code]]
    status = MEASURED if sources else MISSING
    if asked.declared is not None and asked.declared in said:
        status = status if sources else DECLARED
        sentences.append(f"Declared by you: {said[asked.declared]}")
        sources.append(asked.declared)
    return Filled(
        id=asked.id,
        asks=asked.asks,
        status=status,
        sentences=tuple(sentences),
        sources=tuple(sources),
        lacking=_lacking(asked) if status == MISSING else "",
    )


def _lacking(asked: RuleField) -> str:
    """Say what would answer a field."""
    codes = ", ".join(code for code in asked.measured if code.startswith("PEL"))
    ways = [f"an audit measures it ({codes})"] if codes else []
    ways += ["an audit knows it"] if not codes and any(code.startswith("subject:") for code in asked.measured) else []
    ways += ["its tables measure it"] if any(code.startswith("sheet:") for code in asked.measured) else []
    ways += [f"declare it as {asked.declared}"] if asked.declared else []
    return leading(", or ".join(ways)) + "."


def _stale(pack: RulePack, today: date) -> tuple[str, ...]:
    year, month = map(int, pack.as_of.split("-"))
    age = 12 * (today.year - year) + today.month - month
    if age <= STALE_MONTHS:
        return ()
    return (f"This pack knows the rule as of {pack.as_of}, {age} months before this draft: check what has changed.",)


def _front_matter(audit: Any, said: Mapping[str, str]) -> dict[str, Any]:
    """Hugging Face's YAML header: only what is declared or measured."""
    found: dict[str, Any] = {key: said[key] for key in ("language", "license", "library_name") if key in said}
    content = None if audit is None else read_audit(audit)
    found["tags"] = ["tabular", "pellucid"]
    if content is None:
        return found
    kind = "regression" if content["subject"].get("task") == "regression" else "classification"
    found["pipeline_tag"] = f"tabular-{kind}"
    if "dataset_name" in said:
        found["model-index"] = [
            {
                "name": said.get("model_name", str(content["subject"].get("model"))),
                "results": [
                    {
                        "task": {"type": f"tabular-{kind}"},
                        "dataset": {"name": said["dataset_name"], "type": "tabular"},
                        "metrics": _metrics(content["findings"]),
                    }
                ],
            }
        ]
    return found


def _metrics(findings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    measures = [m for f in findings if f["code"] == "PEL201" for m in f.get("measures", [])]
    return [
        {"type": str(m["name"]).lower().replace(" ", "_"), "name": str(m["name"]), "value": m["value"]}
        for m in measures
        if isinstance(m.get("value"), int | float) and np.isfinite(m["value"])
    ]
