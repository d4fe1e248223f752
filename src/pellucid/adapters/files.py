"""Models in files, loaded without running what a stranger wrote."""

import hashlib
import importlib
import io
import json
import os
import pickle
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pellucid._base.errors import FileError, InputError, MissingDependencyError, PellucidError
from pellucid._base.files import path_of
from pellucid.adapters import ubj
from pellucid.adapters.loaded import refuse_damaged_trees

# Types that scikit-learn's fitted models hold and that skops does not trust by itself. Each was read:
# plain data holders or functions of arrays, none imports, opens, evaluates or calls what it is given.
# Tree and TreePredictor are walked without bounds checks, so `refuse_damaged_trees` checks them.
REVIEWED_TYPES = frozenset(
    {
        "functools.partial",  # skops asks for the trust of its function and arguments separately
        "numpy.dtype",
        "sklearn._loss.loss.HalfTweedieLoss",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.compose._column_transformer.make_column_selector",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.feature_selection._univariate_selection.chi2",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.gaussian_process.kernels.Sum",
        "sklearn.gaussian_process.kernels.WhiteKernel",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.model_selection._split.KFold",
        "sklearn.model_selection._split.StratifiedKFold",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
        "sklearn.utils.validation.check_array",
    }
)

PICKLES = (".pkl", ".pickle", ".joblib")

MAX_POOL = 1024

DAMAGE = (InputError, IndexError, TypeError, ValueError, AttributeError, OverflowError)
"""What reading a file that was changed ends in: a part is missing, or is not of its kind or size."""


def load_model(path: str | Path, *, trust_pickle: str | None = None, trust_types: Sequence[str] = ()) -> Any:
    """Load a model file: skops, XGBoost JSON or UBJ, LightGBM text, CatBoost cbm or JSON, ONNX; pickle by hash.

    Parameters
    ----------
    path : str or Path
        Its suffix says what it is.
    trust_pickle : str, optional
        SHA-256 of a pickle or joblib file. Unpickling runs any code the file contains, with all your
        rights; give the hash only of a file that you or somebody you trust made.
    trust_types : sequence of str
        Further types that a skops file may contain, such as ``"xgboost.sklearn.XGBClassifier"``.

    Returns
    -------
    object
        The library's own model.

    Raises
    ------
    FileError
        When the file is missing, damaged, of an unknown kind or not trusted.
    """
    path = path_of(path)
    if not path.is_file():
        raise FileError(f"there is no file {path}.")
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        return _load_pickle(path, trust_pickle)
    if suffix == ".skops":
        return _load_skops(path, trust_types)
    if suffix in LOADERS:
        return LOADERS[suffix](path)
    raise FileError(_unknown(path))


def _unknown(path: Path) -> str:
    known = ", ".join([".skops", *LOADERS, *PICKLES])
    return f"{path} is not a model file pellucid reads; it reads {known}. Save scikit-learn models with skops.io.dump."


def load_callable(name: str) -> Any:
    """Import what ``"module:attribute"`` names, from the working directory or the installed packages.

    Raises
    ------
    FileError
        When there is no such module or attribute.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise FileError(f"expected module:attribute, such as my_model:predict; got {name!r}.")
    try:
        with modules_here():
            found: Any = importlib.import_module(module_name)
    except Exception as error:
        raise FileError(f"cannot import the module {module_name!r}: {type(error).__name__}: {error}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise FileError(f"the module {module_name!r} has no {attribute!r}.")
        found = getattr(found, part)
    return found


@contextmanager
def modules_here() -> Iterator[None]:
    """Let modules of the working directory be imported, as python itself does for a script's own folder."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


def trusted_bytes(path: Path, trust_pickle: str | None, advice: str) -> bytes:
    """Read a file that runs code as it is loaded: the one whose SHA-256 the user gave, and no other.

    Raises
    ------
    FileError
        When there is no hash, with advice on what to do instead, or it is another file's.
    InputError
        When the hash is no text.
    """
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if trust_pickle is None:
        raise FileError(
            f"{path} is a pickle or may hold one, and loading it runs whatever code it contains. {advice}; or, if you "
            "made this file yourself, pass its SHA-256 (sha256sum prints it) as trust_pickle (--trust-pickle)."
        )
    if not isinstance(trust_pickle, str):
        raise InputError(f"trust_pickle must be the file's SHA-256 as text; got {trust_pickle!r:.80}.")
    if trust_pickle.strip().lower() != digest:
        raise FileError(f"{path} is not the pickle that was trusted: its SHA-256 is {digest}, not {trust_pickle}.")
    return content


def _load_pickle(path: Path, trust_pickle: str | None) -> Any:
    content = trusted_bytes(path, trust_pickle, "Save the model with skops.io.dump instead")
    try:
        if path.suffix.lower() == ".joblib":
            return _library("joblib", path).load(io.BytesIO(content))
        return pickle.loads(content)  # noqa: S301 - the user vouched for exactly these bytes
    except Exception as error:
        raise FileError(f"{path} could not be unpickled: {type(error).__name__}: {error}") from error


def _load_skops(path: Path, trust_types: Sequence[str]) -> Any:
    skops = _library("skops.io", path)
    content = path.read_bytes()
    try:
        _refuse_greedy(content)
        unknown = set(skops.get_untrusted_types(data=content))
        foreign = sorted(unknown - REVIEWED_TYPES - set(trust_types))
        if foreign:
            raise FileError(
                f"{path} contains types that are not trusted: {', '.join(foreign)}. If you know them to be harmless, "
                f"pass them as trust_types (--trust-type {foreign[0]})."
            )
        model = skops.loads(content, trusted=sorted(unknown))
    except PellucidError:
        raise
    except Exception as error:
        raise FileError(f"{path} could not be read as a skops file: {type(error).__name__}: {error}") from error
    try:
        refuse_damaged_trees(model)
    except DAMAGE as error:
        raise FileError(f"{path} is damaged: {_first_line(error)}") from error
    return model


def _refuse_greedy(content: bytes) -> None:
    """Refuse a generator of random numbers with a pool that numpy would fill for minutes; its own has four words."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        waiting = [json.loads(archive.read("schema.json"))]
    while waiting:
        node = waiting.pop()
        pool = node.get("pool_size") if isinstance(node, dict) else None
        if pool is not None and int(pool["content"]) > MAX_POOL:
            raise ValueError(f"a generator of random numbers has a pool of {pool['content']} words")
        if isinstance(node, dict | list):
            waiting.extend(node.values() if isinstance(node, dict) else node)


def _library(name: str, path: Path) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingDependencyError(f"{path} needs the package {name!r}: pip install {name}") from error


def _refuse_damaged(path: Path, library: str, parse: Callable[[bytes], Any]) -> None:
    """Read the file with our own checks: the libraries crash on a number that points outside."""
    native = importlib.import_module("pellucid.adapters.native")
    try:
        getattr(native, f"refuse_damaged_{library}")(parse(path.read_bytes()))
    except KeyError as error:
        raise FileError(f"{path} is damaged or not a {library} model: it has no entry {error}.") from error
    except DAMAGE as error:
        raise FileError(f"{path} is damaged or not a {library} model: {_first_line(error)}") from error
    except RecursionError as error:
        raise FileError(f"{path} is damaged: it is nested too deeply.") from error


def _load_json(path: Path) -> Any:
    """XGBoost and CatBoost both write .json; CatBoost's says what its features are."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} is damaged or no JSON: {_first_line(error)}") from error
    if isinstance(content, dict) and "features_info" in content:
        _library("catboost", path)
        _refuse_damaged(path, "catboost", json.loads)
        return _load_catboost(path)
    return _load_xgboost(path)


def _load_xgboost(path: Path) -> Any:
    library = _library("xgboost", path)
    _refuse_damaged(path, "xgboost", json.loads if path.suffix.lower() == ".json" else ubj.loads)
    try:
        return library.Booster(model_file=str(path))
    except Exception as error:
        raise FileError(f"{path} could not be read as an XGBoost model: {_first_line(error)}") from error


def _load_lightgbm(path: Path) -> Any:
    library = _library("lightgbm", path)
    _refuse_damaged(path, "lightgbm", bytes.decode)
    try:
        return library.Booster(model_file=str(path))
    except Exception as error:
        raise FileError(f"{path} could not be read as a LightGBM model: {_first_line(error)}") from error


# CatBoost ends the process that opens a damaged .cbm, so another one opens it first, and writes what can be checked.
CATBOOST_TRIAL = """
import catboost, sys
catboost.CatBoost().load_model(sys.argv[1], format="cbm").save_model(sys.argv[2], format="json")
"""
CATBOOST_TRIAL_SECONDS = 300


def _load_cbm(path: Path) -> Any:
    _library("catboost", path)
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "model.json"
        command = [sys.executable, "-c", CATBOOST_TRIAL, str(path.resolve()), str(written)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=CATBOOST_TRIAL_SECONDS, check=False)  # noqa: S603
        except subprocess.TimeoutExpired as error:
            raise FileError(f"{path} is damaged: CatBoost did not open it in {CATBOOST_TRIAL_SECONDS} s.") from error
        if done.returncode < 0:
            raise FileError(f"{path} is damaged: CatBoost crashed when it opened it.")
        content = json.loads(written.read_bytes()) if written.exists() else None
    # A model that encodes features by statistics of the target is read by CatBoost alone.
    unreadable = importlib.import_module("pellucid.adapters.catboost").UNREADABLE
    if content is not None and not any(content["features_info"].get(kind) for kind in unreadable):
        _refuse_damaged(path, "catboost", lambda _: content)
    return _load_catboost(path)


def _load_catboost(path: Path) -> Any:
    library = _library("catboost", path)
    try:
        return library.CatBoost().load_model(str(path), format=path.suffix.lower().lstrip("."))
    except Exception as error:
        raise FileError(f"{path} could not be read as a CatBoost model: {_first_line(error)}") from error


def _load_onnx(path: Path) -> Any:
    onnx = importlib.import_module("pellucid.adapters.onnx")
    try:
        return onnx.load(path.read_bytes())
    except (InputError, KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise FileError(f"{path} could not be read as an ONNX model: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


LOADERS: dict[str, Callable[[Path], Any]] = {
    ".json": _load_json,
    ".ubj": _load_xgboost,
    ".txt": _load_lightgbm,
    ".cbm": _load_cbm,
    ".onnx": _load_onnx,
}
