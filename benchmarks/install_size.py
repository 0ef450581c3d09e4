"""How much is installed: new environments from the requirements files, and a picture classified in each.

python -m benchmarks.install_size                                  what the app needs, on this Python
python -m benchmarks.install_size --python python3.11 python3.13   on others
python -m benchmarks.install_size --requirements requirements.txt  what training needs, too
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MEGABYTE = 1e6
LARGEST_SHOWN = 6


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", nargs="+", default=[sys.executable], help="interpreters, by name or path")
    parser.add_argument("--requirements", default="requirements-app.txt", help="what is installed")
    parser.add_argument("--picture", default="examples/2-happy.jpg", help="what is classified in the end")
    options = parser.parse_args()
    for python in options.python:
        with tempfile.TemporaryDirectory() as folder:
            environment = Path(folder) / "environment"
            subprocess.run([python, "-m", "venv", "--without-pip", environment], check=True)
            (inside,) = environment.glob("*/python.exe" if sys.platform == "win32" else "bin/python")
            # This Python's pip: what an installer takes itself is not counted.
            pip = [sys.executable, "-m", "pip", "--python", inside, "install", "--quiet", "--no-cache-dir"]
            subprocess.run([*pip, "--requirement", ROOT / options.requirements], check=True)
            version = printed(inside, "-c", "import platform; print(platform.python_version())").strip()
            print(f"Python {version}, {options.requirements}: {size(environment):.0f} MB")
            for name, megabytes in largest(environment):
                print(f"  {megabytes:6.0f} MB  {name}")
            (answer,) = json.loads(printed(inside, "-m", "emotion", "--json", options.picture))
            faces = [f"{face['label']} {face['confidence']:.2f}" for face in answer["faces"]]
            print(f"  {options.picture}: {', '.join(faces)}")
    return 0


def printed(*command: object) -> str:
    """Run a Python in the repository and return what it prints."""
    done = subprocess.run(
        [*map(str, command)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return done.stdout


def size(folder: Path) -> float:
    """Megabytes of all files in a folder, links not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / MEGABYTE


def largest(environment: Path) -> list[tuple[str, float]]:
    """The packages that take most."""
    (packages,) = (
        path for path in environment.rglob("site-packages") if path.parent.parent.name != "site-packages"
    )
    sizes = [(path.name, size(path)) for path in packages.iterdir() if path.is_dir()]
    return sorted(sizes, key=lambda entry: -entry[1])[:LARGEST_SHOWN]


if __name__ == "__main__":
    sys.exit(main())
