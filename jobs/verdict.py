"""What the end of a child means for its job."""

import signal
from typing import Any

from jobs.cage.rungs import TASKS
from jobs.claim import Lease
from jobs.finish import failure, finish, give_back
from jobs.limits import in_words, limit
from jobs.models import Job
from jobs.sandbox import CROWD
from optimizers import events
from optimizers.errors import Refusal

OUT_OF_MEMORY = ("MemoryError", "bad_alloc", "can't allocate memory", "Cannot allocate memory", "OutOfMemoryError")


def conclude(lease: Lease, job: Job, relay: Any, child: Any, why: str) -> None:
    """Write the end of an attempt. why: what the parent stopped it for, "" when it ended by itself. Raises LeaseLost."""
    end = child.end
    last = {"peak_bytes": end.peak_bytes, "detail": detail(end)}
    state, failed = Job.State, relay.failed
    card = relay.card(job.asset.kind) if job.asset else None
    if why == "" and end.code == 0 and not failed and (relay.done or card):
        finish(lease, state.SUCCEEDED, done=relay.done, card=card, **last)
    elif why == "cancelled":
        finish(lease, state.CANCELLED, done=relay.done, **last)
    elif why == "leaving":
        give_back(lease, "released", **last)
    elif why:
        finish(lease, state.FAILED, done=relay.done, failed=stopped(why, job), **last)
    elif failed and failed.fault == "user":
        finish(lease, state.FAILED, done=relay.done, failed=failed, **last)
    elif crashed := crash(end, failed, child.bounds.memory_bytes, job):
        if not job.attempts.filter(outcome="crashed").exists():
            give_back(lease, "crashed", **last)
        else:
            finish(lease, state.FAILED, done=relay.done, failed=crashed, **last)
    else:
        finish(lease, state.FAILED, done=relay.done, failed=ours(failed, end), **last)


def stopped(why: str, job: Job) -> events.Failed:
    """The sentence for a limit of ours that was reached."""
    it = "The inspection" if job.kind == Job.Kind.INSPECT else "The job"
    sentences = {
        "wall": (f"{it} ran past its time limit.", "Give it a larger budget, or a smaller model or dataset.", "too-slow"),
        "quiet": (f"{it} told nothing for {limit('quiet_seconds') / 60:.0f} minutes and was stopped.",
                  "Submit it again; if it stops again, try a smaller model or dataset.", "no-progress"),
        "scratch": (f"{it} wrote more than {in_words(limit('scratch_bytes'))}.", "Try a smaller dataset.", "scratch-full"),
    }
    return failure(*sentences[why], "limit")


def crash(end: Any, failed: events.Failed | None, memory: int, job: Job) -> events.Failed | None:
    """Out of memory, or killed by a signal; None for an ordinary exit."""
    last_words = end.stderr[-4000:] + (failed.trace[-4000:] if failed else "")
    if CROWD in last_words:
        return failure(f"The job started more than {TASKS} processes.", "Export the model again with a current version of its library.",
                       "too-many-processes", "limit")
    if end.signal == signal.SIGKILL or (end.code != 0 and any(word in last_words for word in OUT_OF_MEMORY)):
        it = "The inspection" if job.kind == Job.Kind.INSPECT else "The job"
        return failure(f"{it} ran out of memory (limit {in_words(memory)}).", "Try a smaller model or a smaller dataset.", "out-of-memory")
    if end.signal == signal.SIGXCPU:
        return failure("The job used up its processor time.", "Give it a larger budget.", "too-slow", "limit")
    if end.signal is None:
        return None
    name = signal.Signals(end.signal).name
    if job.kind == Job.Kind.INSPECT:
        what = job.asset.kind if job.asset else "file"
        return failure(f"The {what} crashed the reader ({name}).", "Export it again with a current version of its library.",
                       "crashed-reader", "open")
    return failure(f"The model crashed the process that ran it ({name}).", "Try another technique, or export the model again.", "crashed")


def ours(failed: events.Failed | None, end: Any) -> events.Failed:
    """Our own fault: the child says so, or it ended in a way that nobody planned."""
    if failed is not None:
        return failed
    return events.Failed(stage="run", fault="ours", trace=end.stderr[-20000:],
                         refusal=Refusal(wrong=f"The child ended with status {end.code} and without a word.", code="ours"))


def detail(end: Any) -> str:
    how = f"status {end.code}" if end.signal is None else f"signal {end.signal}"
    return f"{how}\n{end.stderr[-8000:]}".replace("\0", "")
