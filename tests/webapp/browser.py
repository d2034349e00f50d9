"""A real browser for tests: Debian's Chromium through Playwright, watched for outside requests, script errors and CSP reports.

    with browser() as chromium, visit(chromium, url) as page: ...
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PHONE, DESK = {"width": 380, "height": 780}, {"width": 1280, "height": 860}


def executable() -> str:
    """The browser's path; skips the test, saying so, where none can be found."""
    found = os.environ.get("ESPALIER_CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("NO BROWSER: install chromium or set ESPALIER_CHROMIUM; the pages were not tested in one")
    return found


@contextmanager
def browser() -> Iterator:
    """One Chromium for a module's tests. As root it needs --no-sandbox."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = executable()
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        try:
            yield chromium
        finally:
            chromium.close()


@contextmanager
def visit(chromium, base: str, *, session: str | None = None, dark: bool = False, phone: bool = False) -> Iterator:
    """A fresh page whose `faults` fill with script errors, CSP reports and requests that leave `base`. Fails on any at the end.

    session: a session cookie, to be signed in at once.
    """
    context = chromium.new_context(base_url=base, viewport=PHONE if phone else DESK, color_scheme="dark" if dark else "light")
    if session:
        context.add_cookies([{"name": "sessionid", "value": session, "url": base}])
    page = context.new_page()
    page.faults = []
    home = urlsplit(base).netloc
    page.on("request", lambda request: leaves(request.url, home) and page.faults.append(f"left the machine: {request.url}"))
    page.on("pageerror", lambda error: page.faults.append(f"script error: {error}"))
    page.on("console", lambda said: said.type == "error" and serious(said.text) and page.faults.append(f"console: {said.text}"))
    try:
        yield page
        assert page.faults == []
    finally:
        context.close()


def leaves(url: str, home: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != home


def serious(text: str) -> bool:
    """A page that answers 404 on purpose is no fault of its script."""
    return not text.startswith("Failed to load resource: the server responded with a status of 4")


def axe(page) -> list[str]:
    """What axe-core holds against the page, one line a rule with the first places."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    return [f"{one['id']} ({one['impact']}): " + " | ".join(node["html"][:140] for node in one["nodes"][:3]) for one in found]


def too_wide(page) -> int:
    """By how many pixels the page scrolls sideways; 0 is right."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
