"""Put LiteRT's WebAssembly into emotion/web/browser/engine/vendor, from its npm package.

    pip install zopfli
    python -m tools.vendor_litert

It needs npm, too. The build is the one without relaxed SIMD, which every current browser runs; with it, a
look takes 11.1 ms instead of 12.2 ms, in the best case. The loader becomes a module and is minified; nothing
else changes. The result is the same to the byte each time.
"""

import base64
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
VENDOR = ROOT / "emotion" / "web" / "browser" / "engine" / "vendor"

PACKAGE = "@litertjs/core@2.5.3"
# As npm gives it: SHA-512 of the package's archive.
INTEGRITY = "sha512-PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ=="
MINIFIER = "esbuild@0.25.12"

BUILD = "package/wasm/litert_wasm_compat_internal"
# How the loader ends: it offers itself to module systems of before there were modules.
OLD_EXPORT = "// Export using a UMD style export, or ES6 exports if selected"
NEW_EXPORT = "export default ModuleFactory;\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = fetch(folder)
        check(archive)
        shutil.unpack_archive(archive, folder)
        VENDOR.mkdir(exist_ok=True)
        binary = (folder / f"{BUILD}.wasm").read_bytes()
        (VENDOR / "litert.wasm.gz").write_bytes(packed(binary))
        loader = as_module((folder / f"{BUILD}.js").read_text("utf-8"))
        (VENDOR / "litert.js").write_bytes(minified(folder, loader))
    for path in sorted(VENDOR.iterdir()):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


def fetch(folder: Path) -> Path:
    npm(folder, "pack", PACKAGE)
    return next(folder.glob("*.tgz"))


def check(archive: Path) -> None:
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != INTEGRITY:
        raise SystemExit(f"{PACKAGE} is not what was vendored before: its hash is sha512-{digest}.")


def as_module(loader: str) -> str:
    code, end, _ = loader.partition(OLD_EXPORT)
    if not end:
        raise SystemExit("The loader ends differently now: look at how it is exported.")
    return code + NEW_EXPORT


def minified(folder: Path, loader: str) -> bytes:
    (folder / "loader.js").write_text(loader, encoding="utf-8")
    npm(
        folder,
        "exec",
        "--yes",
        f"--package={MINIFIER}",
        "--",
        *"esbuild --minify loader.js --outfile=out.js".split(),
    )
    head = f"// From {PACKAGE}, Apache License 2.0 (LICENSE here); tools/vendor_litert.py made it a module.\n"
    return head.encode() + (folder / "out.js").read_bytes()


def packed(binary: bytes) -> bytes:
    """Compress as gzip does, in a minute and by 115 KB better, which every visitor saves."""
    import zopfli.gzip

    return zopfli.gzip.compress(binary, numiterations=5)


def npm(folder: Path, *arguments: str) -> None:
    subprocess.run(["npm", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
