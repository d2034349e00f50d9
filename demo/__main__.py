"""Start the house, upload, train, fit, show the front; then serve until Ctrl-C, or end with --exit."""

import argparse
import sys
import time
from pathlib import Path

from demo import road
from demo.house import House
from espalier import Client, EspalierError, table

DEVICE = "raspberry-pi-4"


def main() -> int:
    parser = argparse.ArgumentParser("demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--device", default=DEVICE, help=f"what to fit for, by its name in the catalogue (default {DEVICE})")
    parser.add_argument("--minutes", type=float, default=1.5, help="how long the fit may look (default 1.5)")
    parser.add_argument("--exit", action="store_true", help="end after the table")
    given = parser.parse_args()
    with House(given.port) as house:
        try:
            told = house.team()
            walk(Client(house.url, told["token"]), given)
        except EspalierError as error:
            print(f"\n{error}\nThe log of the server is {house.log}", file=sys.stderr)
            return 1
        print(f"\nLog in at {house.url} as {told['email']} with the password {told['password']}")
        if not given.exit:
            print("Ctrl-C stops everything.")
            house.serve()
    return 0


def walk(client: Client, given: argparse.Namespace) -> None:
    say = Say()
    dataset = road.dataset(client, say)
    model = road.model(client, dataset, given.device, say)
    say(f"Fit {model.name} for {given.device}, at most {given.minutes:g} minutes:")
    job = client.submit_optimize_job(model=model, dataset=dataset, device=given.device, max_drop=0.02, minutes=given.minutes, seed=0)
    job.wait(progress=say.progress)
    print(f"\n\n{job.title}\n\n{table.front(job)}\n\n{job.verdict}")
    folder = Path("var") / "demo"
    if best := job.recommended():
        folder.mkdir(parents=True, exist_ok=True)
        files = [client.download_artifact(one, folder).name for one in best.artifacts]
        print(f"Downloaded to {folder}: {', '.join(files)}")


class Say:
    """Lines with the seconds since the start; progress in one line that changes on a terminal, elsewhere a line for each candidate."""

    def __init__(self) -> None:
        self.begin, self.last = time.monotonic(), ""

    def __call__(self, words: str) -> None:
        print(f"\r{time.monotonic() - self.begin:6.1f} s  {words:<100}".rstrip(), flush=True)

    def progress(self, job) -> None:
        found = f"{len(job.candidates)} candidate{'s' * (len(job.candidates) != 1)}"
        words = f"   {100 * job.data['progress']:3.0f} %  {found}"
        if sys.stdout.isatty():
            print(f"\r{time.monotonic() - self.begin:6.1f} s  {words}  {job.data['note'][:70]:<70}", end="", flush=True)
        elif found != self.last:
            self(words)
        self.last = found


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
