"""`make` on machines with all kinds of Pythons: it finds one that fits, or says what to type."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32" or not shutil.which("make"), reason="needs a Unix make"),
]

ROOT = Path(__file__).parents[1]
TOOLS = ("make", "sh", "rm", "touch", "id")
# Says that it is another version, makes an environment of itself, and installs nothing.
PYTHON = f"""#!{sys.executable}
import os, shutil, sys
sys.version_info = ({{version}}, 0, "final", 0)
match sys.argv[1:]:
    case ["-c", code]:
        exec(code)
    case ["--version"]:
        print("Python", *sys.version_info[:2])
    case ["-m", "venv", folder]:
        os.makedirs(folder + "/bin")
        shutil.copy(__file__, folder + "/bin/python")
        open(folder + "/pyvenv.cfg", "w").close()
    case other:
        print("python", ".".join(map(str, sys.version_info[:2])), *other)
"""
UV = f"""#!{sys.executable}
import os, shutil, sys
print("uv", *sys.argv[1:])
if sys.argv[1] == "venv":
    os.makedirs(".venv/bin")
    shutil.copy(shutil.which("python3.12"), ".venv/bin/python")
    open(".venv/pyvenv.cfg", "w").close()
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with what make reads, and a PATH with nothing but the tools that make calls."""
    for name in ("Makefile", "requirements.txt", "requirements-app.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "path").mkdir()
    for tool in TOOLS:
        (tmp_path / "path" / tool).symlink_to(shutil.which(tool))
    return tmp_path


def add(clone: Path, name: str, script: str) -> None:
    program = clone / "path" / name
    program.write_text(script)
    program.chmod(0o755)


def add_python(clone: Path, name: str, version: str) -> None:
    add(clone, name, PYTHON.format(version=version.replace(".", ", ")))


def make(clone: Path, *words: str) -> tuple[int, str]:
    """Call make; return the exit status and all that it printed."""
    environment = {"PATH": str(clone / "path"), "HOME": str(clone), "LANG": os.environ.get("LANG", "C")}
    done = subprocess.run(
        ["make", *words],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("pythons", "target", "chosen"),
    [
        ({"python3": "3.9", "python3.12": "3.12"}, "app", "3.12"),
        ({"python3": "3.15", "python3.11": "3.11"}, "app", "3.11"),
        ({"python3": "3.14"}, "app", "3.14"),
        ({"python3": "3.14", "python3.13": "3.13"}, "install", "3.13"),
    ],
)
def test_the_first_python_that_fits_is_taken(pythons, target, chosen, clone):
    for name, version in pythons.items():
        add_python(clone, name, version)
    status, printed = make(clone, target)
    assert status == 0, printed
    requirements = "requirements-app.txt" if target == "app" else "requirements.txt"
    assert f"python {chosen} -m pip install --quiet --requirement {requirements}\n" in printed


def test_the_app_starts_after_its_installation(clone):
    add_python(clone, "python3", "3.13")
    assert make(clone, "app")[1].endswith("python 3.13 app.py\n")


@pytest.mark.parametrize(("target", "newest"), [("app", "3.14"), ("install", "3.13"), ("test", "3.13")])
@pytest.mark.parametrize("version", ["3.10", "3.15"])
def test_without_a_python_that_fits_the_range_is_told(version, target, newest, clone):
    add_python(clone, "python3", version)
    status, printed = make(clone, target)
    assert status != 0
    assert f"This needs Python 3.11 to {newest}; none of python3 " in printed
    assert f"Install one and name it: make {target} PYTHON=python3.12\n" in printed


def test_a_python_that_was_named_has_to_fit(clone):
    add_python(clone, "python3", "3.12")
    add_python(clone, "python3.14", "3.14")
    assert "; python3.14 is not one." in make(clone, "install", "PYTHON=python3.14")[1]
    assert "; python3.99 is not one." in make(clone, "install", "PYTHON=python3.99")[1]


def test_an_environment_that_serves_but_cannot_train_is_told_so(clone):
    add_python(clone, "python3", "3.14")
    assert make(clone, "app")[0] == 0
    status, printed = make(clone, "install")
    assert status != 0
    assert (
        "is the Python of .venv; this needs Python 3.11 to 3.13. Run make clean, then try again." in printed
    )


def test_uv_is_used_where_it_is_there(clone):
    add_python(clone, "python3.12", "3.12")
    add(clone, "uv", UV)
    status, printed = make(clone, "app")
    assert status == 0, printed
    assert "uv venv --quiet --seed --python python3.12 .venv\n" in printed
    assert "uv pip install --quiet --python .venv/bin/python --requirement requirements-app.txt\n" in printed
