"""The drawing library that brings pictures to life, packed into the page."""

import base64
import gzip
import hashlib
from dataclasses import dataclass
from functools import cache

import vl_convert


@dataclass(frozen=True)
class Runtime:
    """A script, compressed.

    Parameters
    ----------
    packed : str
        The script, gzipped, in base64: a third of the size.
    digest : str
        ``sha256-…`` of the unpacked script, for the page's content security policy.
    """

    packed: str
    digest: str


@cache
def runtime() -> Runtime:
    """Return Vega with Vega-Lite as one script that sets ``window.vegaEmbed`` and nothing else."""
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    script = f'(function () {{"use strict";\n{bundle}\n}})();'
    packed = gzip.compress(script.encode(), compresslevel=9, mtime=0)
    return Runtime(base64.b64encode(packed).decode(), digest_of(script))


def digest_of(text: str) -> str:
    """Return what a content security policy calls a text: ``sha256-`` and the hash in base64."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
