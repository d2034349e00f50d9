"""From submitting to the child's first word, and to a ready dataset, through the real queue, worker and cage.

    python -m benchmarks.first_word [--rounds 5]

Starts its own embedded servers and one worker in a temporary folder; inspects a small CSV each time, one after another. The first round
is told apart: the worker has just arrived and the craft's byte code may not be cached.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def wait_for(truth, seconds: float = 60) -> float:
    """Seconds until it came true, looked at every 5 ms."""
    started = time.perf_counter()
    while not truth():
        if time.perf_counter() - started > seconds:
            raise SystemExit("it did not come true; is the machine very busy?")
        time.sleep(0.005)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="espalier-bench-") as data:
        os.environ |= {"ESPALIER_DATA": data, "DJANGO_SETTINGS_MODULE": "webapp.settings"}
        from webapp.up.embedded import embedded

        with embedded(Path(data), (Path(data) / "log").open("ab")):
            import django

            django.setup()
            from django.core.management import call_command

            call_command("migrate", verbosity=0, skip_checks=True)
            worker = subprocess.Popen([sys.executable, "-m", "celery", "-q", "-A", "jobs.celery", "worker", "-c", "2", "-l", "error"],
                                      cwd=ROOT, start_new_session=True)
            try:
                tell(rounds)
            finally:
                worker.terminate()
                worker.wait()
                from django.db import connections

                connections.close_all()


def tell(rounds: int) -> None:
    from jobs import store
    from jobs.models import Asset, Event, Worker
    from jobs.submit import submit_inspection
    from webapp.teams.models import Team

    team = Team.objects.create(name="Bench", slug="bench")
    wait_for(lambda: Worker.objects.exists())
    first, ready = [], []
    for n in range(rounds + 1):
        rows = "".join(f"{i},{(i * 7 + n) % 11},{'yes' if i % 2 else 'no'}\n" for i in range(200))
        asset = Asset.objects.create(team=team, kind="dataset", name="small", filename="small.csv",
                                     blob=store.put([b"a,b,label\n" + rows.encode()]))
        started = time.perf_counter()
        job = submit_inspection(asset)
        wait_for(lambda job=job: Event.objects.filter(job=job).exists())
        first.append(time.perf_counter() - started)
        wait_for(lambda asset=asset: Asset.objects.get(id=asset.id).state == "ready")
        ready.append(time.perf_counter() - started)
    cage = Worker.objects.get().cage
    print(f"cage: {cage}; load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for name, values in (("first word", first), ("ready", ready)):
        print(f"{name:>10}: {statistics.median(values[1:]):.2f} s median of {rounds} ({min(values[1:]):.2f} to {max(values[1:]):.2f}), "
              f"{values[0]:.2f} s the first time")


if __name__ == "__main__":
    main()
