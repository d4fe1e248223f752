"""An environment of Python 3.12 for the peers, as the newest of them need it; kept in the ignored `build/`."""

import hashlib
import subprocess
from pathlib import Path

from benchmarks.interpreter import python_312

ROOT = Path(__file__).parents[2]
HOME = ROOT / "build" / "benchmark-trees"
PYTHON = HOME / "python" / "bin" / "python"
PEERS = (
    "shap>=0.54",
    "xgboost-cpu>=3.4",
    "lightgbm>=4.7",
    "catboost>=1.2.10",
    "fasttreeshap-fixed>=0.1.5",
    "shapiq>=1.8",
    "woodelf-explainer>=0.4.8",
    "numba>=0.60",  # fasttreeshap needs it and does not say so
)
"""Floors, so that pip does not settle on an old release to please another package."""
DISTRIBUTIONS = tuple(wanted.partition(">=")[0] for wanted in PEERS)


def ready() -> Path:
    """Make the environment where it is missing or the sources changed, and return its Python."""
    if not PYTHON.exists():
        HOME.mkdir(parents=True, exist_ok=True)
        _run(python_312(), "-m", "venv", HOME / "python")
    _install("peers", "\n".join(PEERS), "--upgrade", *PEERS)
    _install("checkout", sources(), "--force-reinstall", "--no-deps", str(ROOT))
    return PYTHON


def sources() -> str:
    """Digest of all that the installed package is made of."""
    files = [ROOT / "pyproject.toml", ROOT / "CMakeLists.txt", *(ROOT / "cpp").rglob("*.[ch]pp")]
    files += (ROOT / "src").rglob("*.py")
    content = hashlib.sha256()
    for path in sorted(files):
        content.update(path.read_bytes())
    return content.hexdigest()[:12]


def run_in(module: str, *arguments: str) -> list[str]:
    """Command line of one of our modules in the environment."""
    return [str(PYTHON), "-m", module, *arguments]


def _install(name: str, wanted: str, *arguments: str) -> None:
    """Install once for what is wanted; a stamp beside the environment remembers it."""
    stamp = HOME / f"{name}.installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    _run(PYTHON, "-m", "pip", "install", "--quiet", *arguments)
    stamp.write_text(wanted)


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr[-2000:]}")
