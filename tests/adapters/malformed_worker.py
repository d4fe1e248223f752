"""`python malformed_worker.py MOST FILE…`: change integers of model files one at a time, load and predict.

A process of its own, so that a crash is seen. Beside each file stands `FILE.now` with the edit at work.
"""

import copy
import faulthandler
import io
import json
import re
import struct
import sys
import traceback
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from ubj_encoder import encoded

from pellucid._base.errors import PellucidError
from pellucid.adapters import as_model, load_model, ubj
from pellucid.table import Table

FIXED = (-(2**31), -1, 0, 2**31 - 1)
INTEGER = re.compile(r"(?<![\w.+-])-?\d+(?![\w.+-])")
ADDRESS = re.compile(rb',?\s*"__id__": \d+')
HANGS_AFTER = 20


def rows_of(path):
    X = np.random.default_rng(1).normal(size=(4, 3))
    X[:, 1] = [0, 1, 2, 40]
    if "texts" in path.stem:
        return pd.DataFrame({"a": X[:, 0], "c": ["p", "q", "r", "new"], "d": X[:, 2]})
    return X


def text_edits(content, most):
    """Every whole number of a text, but those after the trees of a LightGBM model."""
    text = content.decode()
    end = text.find("feature_importances")
    spots = [match.span() for match in INTEGER.finditer(text, 0, end if end > 0 else len(text))]
    n = max(text.count("{"), 8) if text.startswith("{") else len(spots) // 8
    for start, stop in spots[:most]:
        for value in (*FIXED, n - 1, n):
            if str(value) != text[start:stop]:
                where = f"{start} {stop} {value}: {text[max(0, start - 80) : stop + 20]!r}"
                yield where, (text[:start] + str(value) + text[stop:]).encode()


def ubj_edits(content, most):
    """Every whole number of a binary JSON document, alone, in an array or written as text."""
    document = ubj.loads(content)
    for place in list(places(document, ()))[:most]:
        for value in (*FIXED, 6, 7):
            changed = copy.deepcopy(document)
            if put(changed, place, value):
                yield f"{place} {value}", encoded(changed)


def places(part, above):
    if isinstance(part, dict | list):
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            yield from places(value, (*above, key))
    elif isinstance(part, np.ndarray) and part.dtype.kind in "iu":
        yield from ((*above, k) for k in range(len(part)))
    elif (isinstance(part, int) and not isinstance(part, bool)) or (isinstance(part, str) and INTEGER.fullmatch(part)):
        yield above


def put(document, place, value):
    """Write a value where the place leads; False where it does not fit or is there already."""
    *way, last = place
    part = document
    for key in way:
        above, part = part, part[key]
    if isinstance(part, np.ndarray):
        limits = np.iinfo(part.dtype)
        if not limits.min <= value <= limits.max or part[last] == value:
            return False
        above[way[-1]] = part = part.copy()
        part[last] = value
        return True
    value = str(value) if isinstance(part[last], str) else value
    same = part[last] == value
    part[last] = value
    return not same


def word_edits(content, most):
    """Every aligned 32-bit word of a binary file that could be a small whole number."""
    words = np.frombuffer(content[: len(content) // 4 * 4], dtype="<i4")
    spots = np.flatnonzero(np.abs(words.astype(np.int64)) < 2**16)
    for spot in spots[:most].tolist():
        for value in (*FIXED, 6, 7):
            if words[spot] != value:
                yield f"word {spot} {value}", content[: 4 * spot] + struct.pack("<i", value) + content[4 * spot + 4 :]


def skops_edits(content, most):
    """Whole numbers of the arrays in a skops archive, and of the text that says what they belong to.

    The addresses of the moment are taken out: they would fill the spots, and differ in every run.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: ADDRESS.sub(b"", archive.read(name)) for name in archive.namelist()}
    for name, part in parts.items():
        edits = array_edits(part, most // 10) if name.endswith(".npy") else text_edits(part, most)
        for where, changed in edits:
            yield f"{name}: {where}", zipped(parts | {name: changed})


def array_edits(content, most):
    array = np.load(io.BytesIO(content), allow_pickle=False)
    columns = [(name, array[name]) for name in array.dtype.names or ()] or [(None, array)]
    for name, column in columns:
        if column.dtype.kind not in "iu":
            continue
        limits = np.iinfo(column.dtype)
        for k in range(min(column.size, most)):
            for value in (*FIXED, column.size - 1, column.size):
                if limits.min <= value <= limits.max and column.flat[k] != value:
                    changed = array.copy()
                    (changed if name is None else changed[name]).flat[k] = value
                    file = io.BytesIO()
                    np.save(file, changed)
                    yield f"{name}[{k}] {value}", file.getvalue()


def zipped(parts):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


EDITS = {".json": text_edits, ".txt": text_edits, ".ubj": ubj_edits, ".cbm": word_edits, ".skops": skops_edits}


def main():
    faulthandler.enable()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    tally = {"refused": 0, "taken": 0, "unnamed": []}
    for path in map(Path, sys.argv[2:]):
        now, edited = path.with_name(path.name + ".now"), path.with_stem(path.stem + "-edited")
        X = Table.of(rows_of(path))
        for where, changed in EDITS[path.suffix](path.read_bytes(), int(sys.argv[1])):
            now.write_text(where)
            edited.write_bytes(changed)
            faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
            try:
                model = as_model(load_model(edited))
                model.predict(X)
                if model.structure is not None:
                    model.structure.predict(model.encoding.transform(X))
                tally["taken"] += 1
            except PellucidError as error:
                if not str(error):
                    tally["unnamed"].append(f"{now.read_text()}: no words")
                tally["refused"] += 1
            except Exception as error:
                at = traceback.extract_tb(error.__traceback__)[-1]
                tally["unnamed"].append(f"{now.read_text()}: {error!r} at {at.filename}:{at.lineno}")
            finally:
                faulthandler.cancel_dump_traceback_later()
        now.unlink()
    sys.stdout.write(json.dumps(tally))


if __name__ == "__main__":
    main()
