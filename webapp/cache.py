"""Redis as cache, and this process's own memory while Redis is away: counters keep counting, pages keep coming."""

import time
from typing import Any

import structlog
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

log = structlog.get_logger()
PAUSE = 5.0         # seconds without Redis after it failed: one slow refusal, not one for every request


class RedisOrMemory(BaseCache):
    """Every verb goes to Redis; when that fails, to a cache in memory, and again for PAUSE seconds."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._redis = RedisCache(server, dict(params))
        self._memory = LocMemCache(f"instead-of-{server}", dict(params))
        self._away_until = 0.0

    def _do(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() >= self._away_until:
            try:
                return getattr(self._redis, verb)(*args, **kwargs)
            except (RedisError, OSError) as error:
                self._away_until = time.monotonic() + PAUSE
                log.warning("redis is away; counting in memory", error=type(error).__name__)
        return getattr(self._memory, verb)(*args, **kwargs)

    def away(self) -> bool:
        return time.monotonic() < self._away_until

    def add(self, *args: Any, **kwargs: Any) -> bool:
        return self._do("add", *args, **kwargs)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._do("get", *args, **kwargs)

    def set(self, *args: Any, **kwargs: Any) -> None:
        self._do("set", *args, **kwargs)

    def touch(self, *args: Any, **kwargs: Any) -> bool:
        return self._do("touch", *args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> bool:
        return self._do("delete", *args, **kwargs)

    def incr(self, *args: Any, **kwargs: Any) -> int:
        return self._do("incr", *args, **kwargs)

    def has_key(self, *args: Any, **kwargs: Any) -> bool:
        return self._do("has_key", *args, **kwargs)

    def clear(self) -> None:
        self._do("clear")


def redis_cache_url(url: str) -> str:
    """Celery's spelling of a socket address in redis-py's.

    >>> redis_cache_url("redis+socket://:secret@/run/valkey.sock")
    'unix://:secret@/run/valkey.sock'
    >>> redis_cache_url("redis://cache:6379/0")
    'redis://cache:6379/0'
    """
    return "unix" + url.removeprefix("redis+socket") if url.startswith("redis+socket:") else url
