"""The shell that every page shares: style, scripts, data and the policy that allows only these."""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pellucid.plot.inline import STYLE
from pellucid.report.pictures import shared_config
from pellucid.report.runtime import digest_of, runtime
from pellucid.report.view import Figure

_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def page(template: str, *, figures: Sequence[Figure], **context: Any) -> str:
    """Return a page as text.

    Parameters
    ----------
    template : str
        File in ``report/templates``.
    figures : sequence of Figure
        All figures of the page; their descriptions go into the page as data.
    **context
        What the template shows; everything is escaped.
    """
    style, script = _file("report.css"), _file("report.js")
    specs = {figure.name: figure.picture.spec for figure in figures if figure.picture.spec is not None}
    library = runtime()
    inline = any(figure.picture.inline for figure in figures)
    text = (
        _environment()
        .get_template(template)
        .render(
            **context,
            # The four parts below are our own files, or JSON escaped for a script element.
            style=Markup(style),  # noqa: S704
            script=Markup(script),  # noqa: S704
            pictures=script_json({"config": shared_config(), "specs": specs}),
            library=Markup(library.packed if specs else ""),  # noqa: S704
            notice=_file("notice.txt"),
            csp="; ".join(
                (
                    "default-src 'none'",
                    f"script-src '{digest_of(script)}' '{library.digest}'",
                    f"style-src '{digest_of(style)}'" + (f" '{digest_of(STYLE)}'; img-src data:" if inline else ""),
                    "base-uri 'none'",
                    "form-action 'none'",
                )
            ),
        )
    )
    return text if text.endswith("\n") else text + "\n"


def script_json(value: Any) -> Markup:
    """Return JSON that can stand in a script element whatever text it holds."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    for character, escape in _ESCAPED.items():
        text = text.replace(character, escape)
    return Markup(text)  # noqa: S704  (no character is left that could end the element)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("pellucid", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _file(name: str) -> str:
    return files("pellucid.report").joinpath("templates", name).read_text(encoding="utf-8")
