"""Where `espalier login` keeps the server and the token: one file, readable by its owner alone."""

from __future__ import annotations

import json
import os
from pathlib import Path


def place() -> Path:
    """ESPALIER_CONFIG, else the user's configuration folder."""
    if named := os.environ.get("ESPALIER_CONFIG"):
        return Path(named)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "espalier" / "login.json"


def load() -> dict[str, str]:
    try:
        return json.loads(place().read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def save(url: str, token: str) -> Path:
    path = place()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump({"url": url, "token": token}, file)
    return path
