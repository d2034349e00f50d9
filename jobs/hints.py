"""\"Something about this job changed\": hints over Redis, sent after commit. The truth is read from Postgres; a lost hint costs a poll."""

import asyncio
import contextlib
import json
import logging
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
from django.conf import settings
from django.db import transaction

from jobs.models import Job

CHANNEL = "espalier:hints"
BEAT = 15.0                 # a listener hears something at least this often, so that a lost hint heals
log = logging.getLogger(__name__)


# -- saying -----------------------------------------------------------------------------------------------------------------------


def publish(job: Job) -> None:
    """Tell listeners of the job and of its team, once the present transaction is committed. Never raises, never waits long."""
    message = json.dumps([str(job.id), str(job.team_id)])
    transaction.on_commit(lambda: MOUTH.say(message))


class Mouth:
    """One connection per process; after a failure it stays silent for a while, so that a dead Redis costs nobody their time."""

    def __init__(self) -> None:
        self.client: redis.Redis | None = None
        self.silent_until = 0.0
        self.lock = threading.Lock()

    def say(self, message: str) -> None:
        if time.monotonic() < self.silent_until:
            return
        try:
            with self.lock:
                self.client = self.client or redis.Redis.from_url(redis_url(), socket_timeout=0.5, socket_connect_timeout=0.5)
            self.client.publish(CHANNEL, message)
        except (redis.RedisError, OSError) as error:
            self.silent_until = time.monotonic() + 5
            log.warning("hints are off for five seconds: %s", error)


MOUTH = Mouth()


# -- hearing ----------------------------------------------------------------------------------------------------------------------


async def subscribe(topic: UUID | str, beat: float = BEAT) -> AsyncIterator[int]:
    """Yields 0 at once, then a growing number whenever the job or team of this id changed, and at least every `beat` seconds.

    On each one the listener reads the state anew. Several changes in a row may come as one. All listeners of a process share one
    Redis connection; while Redis is away only the beat is heard.
    """
    ear = EARS.setdefault(asyncio.get_running_loop(), Ear())
    event, n = asyncio.Event(), 0
    ear.listen(str(topic), event)
    try:
        yield n
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), beat)
            event.clear()
            n += 1
            yield n
    finally:
        ear.leave(str(topic), event)


class Ear:
    """The one pub/sub connection of an event loop, and who waits for what."""

    def __init__(self) -> None:
        self.waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self.task: asyncio.Task[None] | None = None

    def listen(self, topic: str, event: asyncio.Event) -> None:
        self.waiting[topic].add(event)
        if self.task is None or self.task.done():
            self.task = asyncio.get_running_loop().create_task(self.hear())

    def leave(self, topic: str, event: asyncio.Event) -> None:
        self.waiting[topic].discard(event)
        if not self.waiting[topic]:
            del self.waiting[topic]
        if not self.waiting and self.task:
            self.task.cancel()
            self.task = None

    async def hear(self) -> None:
        while True:
            try:
                async with redis.asyncio.Redis.from_url(redis_url(), socket_timeout=None) as client, client.pubsub() as channel:
                    await channel.subscribe(CHANNEL)
                    self.wake_all()             # what was said while nobody listened
                    async for message in channel.listen():
                        if message["type"] == "message":
                            self.pass_on(message["data"])
            except (redis.RedisError, OSError) as error:
                log.warning("not listening to hints: %s", error)
                await asyncio.sleep(2)

    def pass_on(self, data: Any) -> None:
        with contextlib.suppress(ValueError, TypeError):
            for topic in json.loads(data):
                for event in self.waiting.get(topic, ()):
                    event.set()

    def wake_all(self) -> None:
        for events in self.waiting.values():
            for event in events:
                event.set()


EARS: WeakKeyDictionary[asyncio.AbstractEventLoop, Ear] = WeakKeyDictionary()


def redis_url() -> str:
    """Celery's spelling of a Unix socket, in redis-py's own."""
    return settings.REDIS_URL.replace("redis+socket://", "unix://", 1)
