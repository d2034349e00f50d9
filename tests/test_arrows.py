"""The arrows between the floors go down only, and the web process stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {       # floor -> packages it must not import
    "optimizers": {"django", "celery", "redis", "psycopg", "httpx", "requests", "jobs", "webapp", "espalier", "ninja"},
    "jobs": {"webapp", "espalier", "ninja", "torch", "onnx", "onnxruntime", "sklearn"},
    "webapp": {"espalier", "torch", "onnx", "onnxruntime", "sklearn", "pandas", "pyarrow"},
    "client/espalier": {"django", "torch", "numpy", "optimizers", "jobs", "webapp", "onnx"},
}


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports, wherever in the file it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("floor", FORBIDDEN)
def test_arrows_go_down(floor):
    files = sorted((ROOT / floor).rglob("*.py"))
    assert files, f"{floor} is empty: has it moved?"
    broken = {str(path.relative_to(ROOT)): sorted(bad) for path in files if (bad := imported(path) & FORBIDDEN[floor])}
    assert broken == {}


HEAVY = ["torch", "onnx", "onnxruntime", "onnxscript", "sklearn", "pandas", "pyarrow", "numpy", "scipy", "transformers"]
LIGHT = ["catalogue", "technique", "recipe", "goal", "device", "cards", "events", "candidate", "measurement", "errors", "search.dry_run",
         "models.preprocessing"]


@pytest.mark.parametrize("module", LIGHT)
def test_what_every_floor_shares_loads_without_heavy_libraries(module):
    code = f"import sys, optimizers.{module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_web_process_never_imports_heavy_libraries():
    """Its application and every address it serves, in a process of its own."""
    code = ("import sys, webapp.asgi; from django.urls import get_resolver; get_resolver().url_patterns; "
            f"print([name for name in {HEAVY!r} if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr[-2000:]
