"""Examples in docstrings are run: one that nobody runs goes wrong."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {"optimizers": ROOT, "jobs": ROOT, "webapp": ROOT, "espalier": ROOT / "client"}
FILES = sorted(path for floor, base in FLOORS.items() for path in (base / floor).rglob("*.py") if "\n    >>> " in path.read_text("utf-8"))


def name_of(path: Path) -> str:
    base = ROOT / "client" if "client" in path.relative_to(ROOT).parts else ROOT
    return ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("name", [name_of(path) for path in FILES])
def test_examples_are_true(name):
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 0
    assert found.failed == 0
