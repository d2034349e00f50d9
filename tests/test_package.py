"""A wheel holds what the library reads beside its code."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORKS = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"


def test_a_wheel_holds_every_file_of_the_library(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(ROOT / "optimizers", source / "optimizers", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    done = subprocess.run([sys.executable, "-c", WORKS, str(tmp_path)], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    held = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    files = {str(path.relative_to(source)) for path in (source / "optimizers").rglob("*") if path.is_file()}
    assert files - held == set()
    assert {"optimizers/devices.toml", "optimizers/export/c/xnor.h", "optimizers/coding/decode.py"} <= held
