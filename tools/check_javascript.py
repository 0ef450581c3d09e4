"""Check the types of the JavaScript that runs in browsers, where npm is there to fetch TypeScript.

python -m tools.check_javascript
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = ROOT / "emotion" / "web" / "browser" / "jsconfig.json"
TYPESCRIPT = "typescript@5.9.3"


def main() -> int:
    """Print what is wrong; return the exit status."""
    npm = shutil.which("npm")
    if npm is None:
        print("The types of the JavaScript were not checked: npm is not installed.")
        return 0
    check = [npm, "exec", "--yes", f"--package={TYPESCRIPT}", "--", "tsc", "--project", str(PROJECT)]
    result = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    print(result.stdout, end="")
    if result.returncode and "error TS" not in result.stdout:
        print("The types of the JavaScript were not checked: TypeScript could not be fetched.")
        return 0
    return result.returncode


if __name__ == "__main__":
    sys.exit(main())
