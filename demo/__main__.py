"""Start the house, upload, train, fit, show the front; then serve until Ctrl-C, or end with --exit."""

import argparse
import sys
import time
from pathlib import Path

from espalier import Client, EspalierError, table

from demo import road
from demo.house import House

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
    print(f"\n{job.title}\n\n{table.front(job)}\n\n{job.verdict}")
    folder = Path("var") / "demo"
    if best := job.recommended():
        folder.mkdir(parents=True, exist_ok=True)
        files = [client.download_artifact(one, folder).name for one in best.artifacts]
        print(f"Downloaded to {folder}: {', '.join(files)}")


class Say:
    """Lines with the seconds since the start; progress only when it changes."""

    def __init__(self) -> None:
        self.begin, self.last = time.monotonic(), ""

    def __call__(self, words: str) -> None:
        print(f"{time.monotonic() - self.begin:6.1f} s  {words}", flush=True)

    def progress(self, job) -> None:
        words = f"   {100 * job.data['progress']:3.0f} %  {job.data.get('note') or job.data.get('step') or job.state}"
        if words != self.last:
            self(words)
        self.last = words


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
