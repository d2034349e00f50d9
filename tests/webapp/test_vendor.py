"""Files of others are what the manifest says, each with its licence, and nothing else lies beside them."""

import hashlib
import json
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[2] / "static" / "vendor"
MANIFEST = json.loads((VENDOR / "MANIFEST.json").read_text("utf-8"))


def test_every_file_has_its_hash_and_licence():
    for row in MANIFEST["files"]:
        assert hashlib.sha256((VENDOR / row["file"]).read_bytes()).hexdigest() == row["sha256"], row["file"]
        assert (VENDOR / row["licence_file"]).stat().st_size > 500, row["licence_file"]


def test_no_file_is_unlisted():
    listed = {row["file"] for row in MANIFEST["files"]} | {row["licence_file"] for row in MANIFEST["files"]} | {"MANIFEST.json"}
    assert {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()} == listed


def test_no_stylesheet_or_script_of_ours_names_another_host():
    ours = [path for kind in ("css", "js") for path in (VENDOR.parent / kind).glob("*")]
    assert ours
    for path in ours:
        text = path.read_text("utf-8")
        assert "http://" not in text.replace("http://www.w3.org/", ""), path.name
        assert "https://" not in text, path.name
