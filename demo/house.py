"""The house as the demo's child: its words go to a log, its end comes with ours."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from webapp.up.child import Child

ROOT = Path(__file__).resolve().parent.parent
READY_S = 120


class House:
    """A context: `manage.py up` runs inside it."""

    def __init__(self, port: int, log: Path = ROOT / "var" / "demo.log") -> None:
        self.url = f"http://127.0.0.1:{port}/"
        self.log = log
        self.child = Child("up", [sys.executable, "manage.py", "up", "--port", str(port)], cwd=ROOT, grace_s=90,
                           env=os.environ | {"PYTHONUNBUFFERED": "1"})

    def __enter__(self) -> "House":
        self.log.parent.mkdir(exist_ok=True)
        begin = time.monotonic()
        with self.log.open("wb") as log:
            self.child.start(log)
        while not self.answers():
            if not self.child.running or time.monotonic() - begin > READY_S:
                self.child.stop()
                sys.exit(f"The server did not come up; {self.log} says why:\n{self.tail()}")
            time.sleep(0.05)
        print(f"Espalier answers at {self.url} after {time.monotonic() - begin:.1f} s", flush=True)
        return self

    def __exit__(self, *_) -> None:
        self.child.stop()

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "readyz", timeout=5) as reply:
                return reply.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def team(self) -> dict[str, str]:
        """The demo team with a fresh token; made on the first run."""
        done = subprocess.run([sys.executable, "manage.py", "demo_team"], cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return json.loads(done.stdout)

    def serve(self) -> None:
        while self.child.running:
            time.sleep(0.2)
        sys.exit(f"The server ended; {self.log} says why:\n{self.tail()}")

    def tail(self) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-15:])
