"""A real Celery worker whose children run a script instead of the craft: `python scripted_worker.py SCRIPT_FILE`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from jobs.celery import app

if __name__ == "__main__":
    from jobs import sandbox
    from jobs.cage.rungs import python

    script = Path(sys.argv[1]).read_text()
    sandbox.craft = lambda folder: [python(), "-c", script, str(folder)]
    app.worker_main(["worker", "-c", "2", "--loglevel", "WARNING", "--without-gossip", "--without-mingle"])
