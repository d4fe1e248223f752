"""Dated rule packs: what a rule asks for, as data in ``rules/<id>.json``, in our own words."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from pellucid._base.errors import InputError
from pellucid._base.words import did_you_mean

SCHEMA = "pellucid.rule/1"
MEASURED = re.compile(r"PEL\d{3}|subject:[a-z_]+|sheet:[a-z_]+")
_KEYS = {"schema", "id", "title", "citation", "jurisdiction", "as_of", "basis", "status", "notes", "fields"}
_FIELD_KEYS = {"id", "asks", "measured", "declared"}


@dataclass(frozen=True, kw_only=True)
class RuleField:
    """One thing that a rule asks for.

    Parameters
    ----------
    id : str
    asks : str
        In our own words.
    measured : tuple of str
        Codes of findings, ``subject:<fact>`` or ``sheet:<table>``, that answer it.
    declared : str or None
        Key of the declaration that answers it.
    """

    id: str
    asks: str
    measured: tuple[str, ...]
    declared: str | None


@dataclass(frozen=True, kw_only=True)
class RulePack:
    """A rule as it stood on a date.

    Parameters
    ----------
    id, title, citation, jurisdiction : str
    as_of : str
        Year and month of what the pack knows, ``YYYY-MM``.
    basis : str
        Where that knowledge is from.
    status : str
        In force, from when, or contested.
    notes : tuple of str
    fields : tuple of RuleField
    """

    id: str
    title: str
    citation: str
    jurisdiction: str
    as_of: str
    basis: str
    status: str
    notes: tuple[str, ...]
    fields: tuple[RuleField, ...]

    @classmethod
    def of(cls, content: Any) -> "RulePack":
        """Read a pack from JSON.

        Raises
        ------
        InputError
            When it does not have the schema.
        """
        if not isinstance(content, Mapping) or set(content) != _KEYS or content["schema"] != SCHEMA:
            raise InputError(f"a rule pack has the keys {', '.join(sorted(_KEYS))} and the schema {SCHEMA!r}.")
        texts = {name: content[name] for name in _KEYS - {"schema", "notes", "fields"}}
        if not all(isinstance(text, str) and text for text in texts.values()):
            raise InputError(f"every text of the rule pack {content['id']!r} must be there.")
        if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", content["as_of"]):
            raise InputError(f"the rule pack {content['id']!r} must have as_of as YYYY-MM; got {content['as_of']!r}.")
        fields = tuple(_field(content["id"], entry) for entry in content["fields"])
        if not fields or len({field.id for field in fields}) < len(fields):
            raise InputError(f"the rule pack {content['id']!r} must have fields, each with an id of its own.")
        return cls(**texts, notes=tuple(map(str, content["notes"])), fields=fields)


def _field(pack: str, entry: Any) -> RuleField:
    if not isinstance(entry, Mapping) or set(entry) != _FIELD_KEYS or not entry["id"] or not entry["asks"]:
        raise InputError(f"a field of the rule pack {pack!r} has the keys {', '.join(sorted(_FIELD_KEYS))}.")
    unknown = [code for code in entry["measured"] if not MEASURED.fullmatch(code)]
    if unknown or not (entry["measured"] or entry["declared"]):
        raise InputError(
            f"the field {entry['id']!r} of the rule pack {pack!r} needs a code such as PEL201, a fact such as "
            f"subject:model, a table such as sheet:reasons, or a declaration; got {unknown or 'none of them'}."
        )
    return RuleField(
        id=str(entry["id"]), asks=str(entry["asks"]), measured=tuple(entry["measured"]), declared=entry["declared"]
    )


@cache
def rule_packs() -> Mapping[str, RulePack]:
    """Every shipped pack by its id."""
    folder = files("pellucid.compliance").joinpath("rules")
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".json")), key=lambda path: path.name)
    packs = [RulePack.of(json.loads(path.read_text(encoding="utf-8"))) for path in paths]
    return {pack.id: pack for pack in packs}


def rule_pack(name: str) -> RulePack:
    """Return a pack by its id.

    Raises
    ------
    InputError
        When there is none; the message lists them.
    """
    packs = rule_packs()
    if name not in packs:
        hint = did_you_mean(name, packs)
        raise InputError(f"there is no rule pack {name!r:.80}.{hint} There are {', '.join(packs)}.")
    return packs[name]
