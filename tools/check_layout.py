"""Check what no linter does: how large files are, and what the entry points import.

python -m tools.check_layout
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST = {"emotion": 500, "app.py": 120}  # lines of a file
MOST_FILES = 9  # directly in emotion/
# What each may import of the package, inside functions too.
ENTRY_POINTS = {
    "app.py": ("emotion.web",),
    "train.py": ("emotion.training",),
}
BY_NAME = {"emotion/__init__.py"}  # the public names are looked up by name; nothing else is


def main() -> int:
    """Print what is wrong; return the exit status."""
    problems = [*too_long(), *too_many(), *wrong_imports(), *hidden_imports()]
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


def too_long() -> Iterator[str]:
    """Files above their number of lines."""
    for place, most in LONGEST.items():
        for file in _python_files(place):
            lines = len(file.read_text(encoding="utf-8").splitlines())
            if lines > most:
                yield f"{_name(file)}: {lines} lines, at most {most}"


def too_many() -> Iterator[str]:
    """More files directly in the package than a glance takes in."""
    files = [file.name for file in (ROOT / "emotion").iterdir() if file.is_file()]
    if len(files) > MOST_FILES:
        yield f"emotion/: {len(files)} files, at most {MOST_FILES}: {', '.join(sorted(files))}"


def wrong_imports() -> Iterator[str]:
    """Imports of an entry point that its work does not need."""
    for name, allowed in ENTRY_POINTS.items():
        for node in ast.walk(_tree(ROOT / name)):
            for module in _imported(node):
                if module.split(".")[0] == "emotion" and not module.startswith(allowed):
                    yield f"{name}:{node.lineno}: imports {module}, may import {', '.join(allowed)}"


def hidden_imports() -> Iterator[str]:
    """Modules of the package that are imported by a text, which import-linter does not see."""
    for file in _python_files("emotion"):
        if _name(file) in BY_NAME:
            continue
        for node in ast.walk(_tree(file)):
            match node:
                case ast.Call(func, [ast.Constant(str(module)), *_]) if module.startswith("emotion"):
                    if ast.unparse(func).endswith(("import_module", "__import__")):
                        yield f"{_name(file)}:{node.lineno}: imports {module} by name"


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module] if node.module != "emotion" else [f"emotion.{name.name}" for name in node.names]
    return []


def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _python_files(place: str) -> list[Path]:
    path = ROOT / place
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


if __name__ == "__main__":
    sys.exit(main())
