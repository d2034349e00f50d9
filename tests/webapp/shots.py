"""Pictures of pages in light, dark and phone width, from a house of its own that is planted with samples.

    python tests/webapp/shots.py FOLDER                 every page of PAGES
    python tests/webapp/shots.py FOLDER result live     some of them
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"light": (1226, 900, "light"), "dark": (1226, 900, "dark"), "phone": (380, 800, "light")}


def pages(garden) -> dict[str, str]:
    """Name -> path on the site."""
    team = f"/t/{garden.team.slug}"
    states = ("done", "running", "queued", "failed", "broken", "stopped", "barren")
    job = {name: f"{team}/jobs/{getattr(garden, name).pk}" for name in states}
    return {"jobs": f"{team}/jobs/", "live": job["running"], "queued": job["queued"], "result": job["done"], "failed": job["failed"],
            "broken": job["broken"], "stopped": job["stopped"], "faithful": f"{team}/jobs/{garden.faithful.pk}",
            "new-faithful": f"{team}/jobs/new?from={garden.faithful.pk}", "barren": job["barren"],
            "study": f"{team}/jobs/{garden.studied.pk}", "amounts": f"{team}/jobs/{garden.amounts.pk}",
            "new-study": f"{team}/jobs/new?dataset={garden.studied.dataset_id}&study=on", "dashboard": f"{team}/",
            "library": f"{team}/library/",
            "model": f"{team}/library/{garden.model.pk}", "dataset": f"{team}/library/{garden.dataset.pk}",
            "table": f"{team}/library/{garden.table.pk}", "inspecting": f"{team}/library/{garden.inspecting.pk}",
            "refused": f"{team}/library/{garden.refused.pk}", "new-job": f"{team}/jobs/new", "devices": f"{team}/devices/",
            "device": f"{team}/devices/stm32h743", "team": f"{team}/team/"}


def session_of(user) -> str:
    """A signed-in session's cookie."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
    session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
    session.save()
    return session.session_key


def main(folder: Path, wanted: list[str]) -> None:
    data = Path(tempfile.mkdtemp(prefix="espalier-shots-"))
    os.environ |= {"ESPALIER_DATA": str(data), "DJANGO_SETTINGS_MODULE": "webapp.settings", "ESPALIER_DEBUG": "1"}
    sys.path.insert(0, str(ROOT))
    import django

    django.setup()
    from django.core.management import call_command

    from webapp.up import postgres, valkey
    from webapp.up.embedded import start

    children, web = [], None
    try:
        with (data / "servers.log").open("ab") as log:
            children = [start(postgres.Postgres(data), postgres.START_S, log), start(valkey.Valkey(data), valkey.START_S, log)]
            call_command("migrate", verbosity=0)
            from tests.webapp import sample

            garden = sample.plant()
            from tests.webapp import sample_tables

            garden.faithful, garden.table, garden.inspecting = sample.faithful(garden), sample.table(garden), sample.inspecting(garden)
            garden.studied, garden.amounts = sample_tables.studied(garden), sample_tables.amounts(garden)
            web, address = serve(dict(os.environ), data / "web.log")
            shoot(folder, address, session_of(garden.alice), {n: p for n, p in pages(garden).items() if not wanted or n in wanted})
    finally:
        if web:
            web.terminate()
            web.wait(10)
        from django.db import connection

        connection.close()
        for child in reversed(children):
            child.stop()
        shutil.rmtree(data, ignore_errors=True)


def serve(env: dict[str, str], log: Path) -> tuple[subprocess.Popen, str]:
    """uvicorn on a free port; returns the process and its address once it listens."""
    command = [sys.executable, "-m", "uvicorn", "webapp.asgi:application", "--port", "0", "--lifespan", "off"]
    with log.open("wb") as out:
        web = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=out)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and web.poll() is None:
        if found := re.search(r"running on (http://\S+)", log.read_text()):
            return web, found[1]
        time.sleep(0.1)
    web.kill()
    raise RuntimeError(f"the web server did not start: {log.read_text()[-2000:]}")


def shoot(folder: Path, address: str, cookie: str, paths: dict[str, str]) -> None:
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"])
        for size, (width, height, colours) in SIZES.items():
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=colours, reduced_motion="reduce")
            context.add_cookies([{"name": "sessionid", "value": cookie, "url": address}])
            page = context.new_page()
            page.on("console", lambda message: message.type in ("error", "warning") and print(f"  console: {message.text}"))
            page.on("pageerror", lambda error: print(f"  error: {error}"))
            for name, path in paths.items():
                answer = page.goto(address + path)
                page.wait_for_timeout(500)
                overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
                print(size, name, answer.status, f"{overflow} px too wide" if overflow > 0 else "")
                if answer.status >= 500:
                    print(page.inner_text("body")[:1500])
                page.screenshot(path=folder / f"{name}-{size}.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
