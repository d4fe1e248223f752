"""Without the compiled extension the error says how to get it."""

import subprocess
import sys

BLOCKED = """
import sys
sys.modules["pellucid._kernels._native"] = None
try:
    import pellucid._kernels.trees
except ImportError as error:
    print(error.__notes__[0])
"""


def test_a_missing_extension_says_how_to_build_it() -> None:
    said = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, check=True).stdout
    assert "compiled kernels are missing" in said
    assert "pip install" in said
