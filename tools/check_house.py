"""Hold the house rules a linter does not know.

No function body over 60 lines, no file over 500, and no import of pellucid inside a function (of third parties only).
"""

import ast
import sys
from pathlib import Path

MOST_LINES_IN_BODY = 60
MOST_LINES_IN_FILE = 500
ROOT = Path(__file__).resolve().parent.parent


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def deferred_imports(tree: ast.Module) -> list[int]:
    """Lines where a function imports the package itself."""
    functions = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
    inside = {n for f in functions for n in ast.walk(f) if isinstance(n, ast.Import | ast.ImportFrom)}
    modules = {n: [n.module or ""] if isinstance(n, ast.ImportFrom) else [a.name for a in n.names] for n in inside}
    return sorted(n.lineno for n, names in modules.items() if any(m.split(".")[0] == "pellucid" for m in names))


def complaints(path: Path) -> list[str]:
    """What is too long in one file."""
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT)
    found = []
    lines = text.count("\n")
    if lines > MOST_LINES_IN_FILE:
        found.append(f"{name}: {lines} lines (at most {MOST_LINES_IN_FILE})")
    if path.suffix == ".py":
        functions = (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
        found += [
            f"{name}:{f.lineno}: {f.name} has {body_lines(f)} lines (at most {MOST_LINES_IN_BODY})"
            for f in functions
            if body_lines(f) > MOST_LINES_IN_BODY
        ]
        if "src" in name.parts:
            found += [
                f"{name}:{line}: pellucid is imported inside a function" for line in deferred_imports(ast.parse(text))
            ]
    return found


def main() -> int:
    """Print every complaint; 1 when there is one."""
    patterns = ("src/**/*.py", "tests/**/*.py", "benchmarks/**/*.py", "tools/**/*.py", "cpp/**/*.[ch]pp")
    paths = sorted(path for pattern in patterns for path in ROOT.glob(pattern))
    found = [complaint for path in paths for complaint in complaints(path)]
    sys.stdout.write("".join(f"{complaint}\n" for complaint in found))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
