"""The house as its users feel it: boot, pages among 10,000 jobs, memory of the web process, submit to first event, upload and download.

    python -m benchmarks.house [--mb 256] [--jobs 10000] [--port 8199]

Runs `manage.py up` in a temporary folder. Upload and download are also told as shares of a raw psycopg copy in the same run
(benchmarks/store.py tells more).
"""

import argparse
import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np

from demo.house import ROOT, House
from espalier import Client

MB = 1024**2
HEAVY = ("libtorch", "onnxruntime", "_sklearn", "sklearn/")
SEED = """
from django.db import connection
from jobs.models import Job
from webapp.teams.models import Team
team = Team.objects.get(slug="demo")
states = ["succeeded"] * 8 + ["failed", "cancelled"]
Job.objects.bulk_create([Job(team=team, number=100 + n, kind="fit", title=f"Job {n}", state=states[n % 10], progress=1.0,
                             device={"name": "this-server", "title": "This server"}) for n in range(COUNT)], batch_size=1000)
connection.cursor().execute("ANALYZE jobs_job")     # autovacuum does so within a minute where jobs come one by one
"""

RAW = """
import json
from benchmarks.store import raw_read, raw_write
from jobs.models import Asset
from webapp.library.downloads import asset_link
asset = Asset.objects.get(id="ASSET")
raw_write(8), raw_read(8)
print(json.dumps({"in": raw_write(MB), "out": raw_read(MB), "link": asset_link(asset, asset.team.memberships.first().user)}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, default=256)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--port", type=int, default=8199)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="espalier-bench-") as folder:
        os.chmod(folder, 0o711)
        os.environ |= {"ESPALIER_DATA": folder, "ESPALIER_API_RATE": "100000"}
        for times in ("first", "second"):
            begin = time.perf_counter()
            with House(given.port, Path(folder) / "up.log") as house:
                httpx.get(house.url + "accounts/login/").raise_for_status()
                print(f"{times} boot to first page: {time.perf_counter() - begin:.1f} s (goal: under 15)")
                if times == "second":
                    measure(house, given, Path(folder))
    return 0


def measure(house: House, given: argparse.Namespace, folder: Path) -> None:
    told = house.team()
    client = Client(house.url, told["token"])
    shell(SEED.replace("COUNT", str(given.jobs)))
    first_event(client, folder)
    copies(client, house.url, given.mb, folder)
    pages(house.url, told, given.jobs)
    web(folder)


def first_event(client: Client, folder: Path) -> None:
    """Seconds from POST /jobs to the first thing the child said, as the event stream tells it."""
    path = folder / "digits.npz"
    subprocess.run([sys.executable, "-m", "optimizers.data.examples", "digits", str(path)], cwd=ROOT, check=True)
    dataset = client.upload_dataset(path)
    waits = []
    for _ in range(3):
        begin = time.perf_counter()
        job = client.submit_train_job(dataset=dataset, device="this-server", train={"epochs": 1}, minutes=1)
        with client.wire.stream(f"/jobs/{job.id}/events", {}) as stream:
            for line in stream.iter_lines():
                if line == "event: event":
                    break
        waits.append(time.perf_counter() - begin)
        job.wait()
    print(f"submit to first event: median {statistics.median(waits):.2f} s of {len(waits)} (goal: under 2)")


def copies(client: Client, url: str, mb: int, folder: Path) -> None:
    """A data set of random pictures up by the SDK and down by a signed link, as shares of a raw psycopg copy in the same run."""
    path = folder / "noise.npz"
    rows = mb * MB // (3 * 64 * 64)
    np.savez(path, x=np.frombuffer(os.urandom(rows * 3 * 64 * 64), np.uint8).reshape(rows, 3, 64, 64), y=np.arange(rows) % 10)
    size, digest = path.stat().st_size / MB, hashlib.sha256(path.read_bytes()).hexdigest()
    begin = time.perf_counter()
    asset = client.upload_dataset(path, wait=False)
    up = size / (time.perf_counter() - begin)
    assert asset.data["sha256"] == digest
    asset.wait()
    raw = json.loads(shell(RAW.replace("MB", str(mb)).replace("ASSET", asset.id)))
    begin, found = time.perf_counter(), hashlib.sha256()
    with httpx.stream("GET", url.rstrip("/") + raw["link"], timeout=60) as reply:
        reply.raise_for_status()
        for piece in reply.iter_raw(MB):
            found.update(piece)
    down = size / (time.perf_counter() - begin)
    assert found.hexdigest() == digest
    print(f"upload: {up:.0f} MB/s of {size:.0f} MB, two passes of sha256 included (goal: 60); "
          f"{up / raw['in']:.2f} of a raw copy's {raw['in']:.0f} MB/s")
    print(f"download: {down:.0f} MB/s, one pass of sha256 included; {down / raw['out']:.2f} of a raw copy's {raw['out']:.0f} MB/s")


def shell(code: str) -> str:
    """The last line that code printed in `manage.py shell`, beside the running house."""
    done = subprocess.run([sys.executable, "manage.py", "shell", "-v", "0", "-c", code], cwd=ROOT, check=True,
                          capture_output=True, text=True)
    return done.stdout.strip().rpartition("\n")[2]


def pages(url: str, told: dict[str, str], jobs: int) -> None:
    """Milliseconds of whole pages for a signed-in person, 95th of 100 each."""
    with httpx.Client(base_url=url, follow_redirects=True) as http:
        form = http.get("/accounts/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text).group(1)
        http.post("/accounts/login/", data={"csrfmiddlewaretoken": token, "login": told["email"], "password": told["password"]},
                  headers={"Referer": url})
        for name in ("", "jobs/", "library/", "devices/", "jobs/new"):
            spent = []
            for _ in range(100):
                begin = time.perf_counter()
                reply = http.get(f"/t/{told['team']}/{name}")
                spent.append(1000 * (time.perf_counter() - begin))
            assert reply.status_code == 200, (name, reply.status_code)
            assert "/accounts/login" not in str(reply.url), "not signed in"
            print(f"page /{name or '(dashboard)'} with {jobs:,} jobs: p50 {statistics.median(spent):.0f} ms, "
                  f"p95 {statistics.quantiles(spent, n=20)[-1]:.0f} ms (goal: p95 under 100)")


def web(folder: Path) -> None:
    """Resident memory of the web process after all of the above, and whether a heavy library is mapped into it."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            if "uvicorn" in words and str(folder).encode() in (entry / "environ").read_bytes():
                kib = int(re.search(r"VmRSS:\s+(\d+)", (entry / "status").read_text()).group(1))
                heavy = [name for name in HEAVY if name in (entry / "maps").read_text()]
                print(f"web process: {kib / 1024:.0f} MiB resident (goal: under 150), heavy libraries: {heavy or 'none'}")
        except OSError:
            continue


if __name__ == "__main__":
    sys.exit(main())
