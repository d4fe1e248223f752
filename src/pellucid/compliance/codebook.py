"""`Codebook`: which reason codes and sentences stand for which factors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from pellucid._base.errors import InputError
from pellucid._base.files import read_toml
from pellucid._base.typing import Int1, Names
from pellucid._base.words import did_you_mean

MARKS = ("", "protected", "proxy")
_FACTOR_KEYS = ("code", "sentence", "mark")
_GROUP_KEYS = ("code", "sentence", "mark", "features")
_TABLES = ("factors", "groups")


@dataclass(frozen=True, kw_only=True)
class Factor:
    """What may be a reason: one feature, or several correlated ones that are reported as one.

    Parameters
    ----------
    name : str
        The feature's or the group's name.
    features : tuple of str
    code, sentence : str
        From the codebook; empty where it has none.
    mark : str
        ``"protected"``, ``"proxy"`` or empty.
    """

    name: str
    features: Names
    code: str = ""
    sentence: str = ""
    mark: str = ""


@dataclass(frozen=True, kw_only=True)
class Codebook:
    """Codes, sentences, groups of correlated features and marks, by factor.

    Parameters
    ----------
    factors : mapping of feature to mapping
        Keys ``code``, ``sentence``, ``mark`` (``"protected"`` or ``"proxy"``), all optional.
    groups : mapping of name to mapping
        Correlated features that are one reason: ``features`` (two or more), and the keys above.

    Raises
    ------
    InputError
        When a key is unknown, a feature stands twice, or a value is not text.

    Examples
    --------
    >>> from pellucid import Codebook
    >>> book = Codebook(
    ...     factors={"late": {"code": "L1", "sentence": "Payments were late."}},
    ...     groups={"debt": {"features": ["loan", "rent"], "code": "D1", "sentence": "Debt and income."}})
    >>> [factor.name for factor in book.read(("loan", "late", "rent", "age"))]
    ['debt', 'late', 'age']
    """

    factors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        owner: dict[str, str] = {}
        for table, keys in (("factors", _FACTOR_KEYS), ("groups", _GROUP_KEYS)):
            entries = getattr(self, table)
            if not isinstance(entries, Mapping):
                raise InputError(f"the codebook's {table} must be a table of names; got {entries!r:.80}.")
            for name, entry in entries.items():
                _check_entry(f"{table}.{name}", entry, keys)
                for feature in entry.get("features", [name]):
                    if feature in owner:
                        raise InputError(
                            f"the codebook has the feature {feature!r} twice: in {owner[feature]} and in "
                            f"{table}.{name}. Give each feature one entry or one group."
                        )
                    owner[feature] = f"{table}.{name}"

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a codebook from a TOML file with the tables ``[factors.NAME]`` and ``[groups.NAME]``.

        Raises
        ------
        FileError
            When the file cannot be read or is not TOML.
        InputError
            When it has an unknown key.
        """
        return cls.of(read_toml(path, "codebook"))

    @classmethod
    def of(cls, codebook: Any) -> Self:
        """Return what a caller may pass: None, a `Codebook`, a mapping or a path."""
        if codebook is None:
            return cls()
        if isinstance(codebook, cls):
            return codebook
        if isinstance(codebook, str | Path):
            return cls.load(codebook)
        if not isinstance(codebook, Mapping):
            raise InputError(
                f"codebook must be a path to a TOML file, a mapping or a Codebook; got {type(codebook).__name__}."
            )
        _refuse_unknown("the codebook", codebook, _TABLES)
        return cls(**codebook)

    def read(self, features: Sequence[str]) -> tuple[Factor, ...]:
        """Return the factors of a model with these features, in the order of their first feature.

        Raises
        ------
        InputError
            When the codebook names a feature that the model does not have.
        """
        group_of = {feature: name for name, entry in self.groups.items() for feature in entry["features"]}
        for feature in (*self.factors, *group_of):
            if feature not in features:
                hint = did_you_mean(feature, features)
                raise InputError(
                    f"the codebook names {feature!r}, which is no feature of the model.{hint} "
                    f"The features are {', '.join(map(repr, features[:12]))}."
                )
        found: dict[str, Factor] = {}
        for feature in features:
            group = group_of.get(feature)
            entry = self.factors.get(feature, {}) if group is None else self.groups[group]
            key = f"factor {feature}" if group is None else f"group {group}"
            if key not in found:
                found[key] = Factor(
                    name=feature if group is None else group,
                    features=(feature,) if group is None else tuple(f for f in features if group_of.get(f) == group),
                    **{name: entry[name] for name in _FACTOR_KEYS if name in entry},
                )
        return tuple(found.values())


def players_of(factors: Sequence[Factor], features: Sequence[str]) -> Int1:
    """Return the position of each feature's factor, int64 of shape (features,)."""
    position = {feature: g for g, factor in enumerate(factors) for feature in factor.features}
    return np.array([position[feature] for feature in features], dtype=np.int64)


def _check_entry(where: str, entry: Any, keys: tuple[str, ...]) -> None:
    if not isinstance(entry, Mapping):
        raise InputError(f"the codebook's {where} must be a table with {', '.join(keys)}; got {entry!r:.80}.")
    _refuse_unknown(f"the codebook's {where}", entry, keys)
    for name in _FACTOR_KEYS:
        if not isinstance(entry.get(name, ""), str):
            raise InputError(f"the codebook's {where}.{name} must be text; got {entry[name]!r:.80}.")
    if entry.get("mark", "") not in MARKS:
        raise InputError(f"the codebook's {where}.mark must be 'protected' or 'proxy'; got {entry['mark']!r}.")
    if "features" in keys:
        members = entry.get("features")
        if not isinstance(members, list | tuple) or len(members) < 2 or not all(isinstance(m, str) for m in members):
            raise InputError(f"the codebook's {where}.features must list two or more features; got {members!r:.80}.")


def _refuse_unknown(what: str, entry: Mapping[str, Any], keys: Sequence[str]) -> None:
    for name in entry:
        if name not in keys:
            raise InputError(f"{what} has no key {name!r}.{did_you_mean(name, keys)} It may have {', '.join(keys)}.")
