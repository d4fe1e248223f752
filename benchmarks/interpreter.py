"""The Python that the newest peers accept."""

import shutil
import subprocess


def python_312() -> str:
    """Find one: on the path, or the newest that pyenv has."""
    for name in ("python3.12", *_pyenv()):
        found = shutil.which(name)
        if found and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0:
            return found
    raise SystemExit(
        "the benchmark needs Python 3.12, because the newest peers do; there is no python3.12 on the path. "
        "Install it (pyenv install 3.12, or your system's package python3.12 with its venv) and run again."
    )


def _pyenv() -> list[str]:
    pyenv = shutil.which("pyenv")
    if pyenv is None:
        return []
    listed = subprocess.run([pyenv, "prefix", "3.12"], capture_output=True, text=True, check=False)
    return [f"{listed.stdout.strip()}/bin/python3.12"] if listed.returncode == 0 else []
