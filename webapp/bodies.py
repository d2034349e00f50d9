"""Request bodies as they arrive. Django's ASGI handler spools a whole body to disk before any view can say no;
here the view's thread pulls it message by message, so a 5 GB upload is refused at its first byte and never touches a temporary file.
"""

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any

from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler

PATIENCE = 60.0         # seconds a reader waits for the next piece of a body
DRAIN = 4 * 1024 * 1024     # what is still read of a body nobody wanted, so that the answer reaches a client that is still sending

Message = dict[str, Any]


class Arriving(io.RawIOBase):
    """A file whose bytes come from the network. read() blocks the thread it is called in, never the event loop."""

    def __init__(self, receive: Callable[[], Awaitable[Message]]) -> None:
        self._receive, self._loop = receive, asyncio.get_running_loop()
        self._rest = b""
        self._more = True

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """`size` bytes, fewer only at the end of the body; all of it without a size. Raises RequestAborted when the client is gone."""
        pieces, left = [], float("inf") if size is None or size < 0 else size
        while left > 0 and (piece := self._next(left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def _next(self, most: float) -> bytes:
        """What lies here already, or the next message; b"" at the end."""
        while not self._rest and self._more:
            self._take(self._wait())
        if len(self._rest) <= most:
            piece, self._rest = self._rest, b""
        else:
            piece, self._rest = self._rest[:int(most)], self._rest[int(most):]
        return piece

    def readinto(self, buffer: Any) -> int:
        piece = self.read(len(buffer))
        buffer[:len(piece)] = piece
        return len(piece)

    def _wait(self) -> Message:
        coming = asyncio.run_coroutine_threadsafe(self._receive(), self._loop)
        try:
            return coming.result(PATIENCE)
        except TimeoutError:
            coming.cancel()
            raise RequestAborted from None

    def _take(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self._more = False
            raise RequestAborted
        self._rest, self._more = message.get("body", b""), message.get("more_body", False)

    async def drain(self) -> None:
        """Read on a little after the answer is made."""
        left = DRAIN
        while self._more and left > 0:
            try:
                message = await asyncio.wait_for(self._receive(), 1)
                self._take(message)
            except (RequestAborted, TimeoutError):
                return
            left -= len(self._rest)
            self._rest = b""

    @property
    def arrived(self) -> bool:
        return not self._more


class StreamingHandler(ASGIHandler):
    """Short bodies (one message) as Django does; longer ones through Arriving."""

    async def read_body(self, receive: Callable[[], Awaitable[Message]]) -> Any:
        first = await receive()
        if first["type"] == "http.disconnect":
            raise RequestAborted
        if not first.get("more_body", False):
            return io.BytesIO(first.get("body", b""))
        body = Arriving(receive)
        body._take(first)
        receive.body = body         # type: ignore[attr-defined]
        return body

    async def handle(self, scope: dict, receive: Callable, send: Callable) -> None:
        listening = _Receive(receive)
        await super().handle(scope, listening, _after_body(listening, send))

    async def listen_for_disconnect(self, receive: Any) -> None:
        """While a body arrives its reader owns `receive`; afterwards this listens as Django does."""
        body = getattr(receive, "body", None)
        while body is not None and not body.arrived:
            await asyncio.sleep(0.5)
        await super().listen_for_disconnect(receive)


class _Receive:
    """`receive`, with a place to remember the body that reads from it."""

    def __init__(self, receive: Callable[[], Awaitable[Message]]) -> None:
        self._receive = receive
        self.body: Arriving | None = None

    async def __call__(self) -> Message:
        return await self._receive()


def _after_body(receive: _Receive, send: Callable[[Message], Awaitable[None]]) -> Callable[[Message], Awaitable[None]]:
    """`send`, which lets an unread body run out a little before the answer starts."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and receive.body is not None:
            await receive.body.drain()
        await send(message)

    return sending
