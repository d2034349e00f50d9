"""Resumable uploads: tus 1.0.0 in pieces, the sha256 announced first, taken up again after a lost connection."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from espalier.errors import InternalError, UserError
from espalier.wire import AGAIN, TRIES, Wire, wait_of

MB = 1024 * 1024
PIECE, LARGEST, PIECES = 8 * MB, 64 * MB, 64     # more than 64 pieces a minute would meet the server's limit of requests
TUS = {"Tus-Resumable": "1.0.0"}
Progress = Callable[[int, int], None]       # bytes the server has, bytes of the whole


def upload(wire: Wire, path: Path, kind: str, name: str | None, options: dict[str, Any], progress: Progress | None) -> str:
    """Send a file; returns the id of the model or dataset it became. The server checks its sha256."""
    size = path.stat().st_size
    if size == 0:
        raise UserError("The file is empty.", str(path), "Choose another file.", "empty")
    pairs = {"filename": path.name, "kind": kind, "name": name or "", "sha256": sha256(path), "options": json.dumps(options)}
    created = wire.call("POST", "/uploads", retry=False, headers=TUS | {"Upload-Length": str(size), "Upload-Metadata": metadata(pairs)})
    return send(wire, path, created.headers["Location"], size, progress)


def send(wire: Wire, path: Path, address: str, size: int, progress: Progress | None = None) -> str:
    """Piece after piece from where the server stands; also continues an upload that another process began."""
    offset, failures = None, 0
    with path.open("rb") as file:
        while True:
            try:
                if offset is None:
                    head = wire.call("HEAD", address, headers=TUS)
                    asset, offset = head.headers.get("Espalier-Asset"), int(head.headers["Upload-Offset"])
                else:
                    asset, offset = piece(wire, file, address, offset, size)
            except httpx.TransportError as error:
                failures += 1
                if failures >= TRIES:
                    raise InternalError("The connection was lost again and again.", str(path), f"Continue later: {address}",
                                        "connection-lost") from error
                time.sleep(0.2 * 2**failures)
                offset = None                   # ask where it stands before the next piece
                continue
            if offset is not None:
                failures = 0
                if progress:
                    progress(offset, size)
            if asset:
                return asset
            if offset == size:
                raise InternalError("The server has the whole file and made nothing of it.", address, "Try the upload again.", "no-asset")


def piece_size(size: int) -> int:
    """Bytes of one PATCH for a file of `size` bytes.

    >>> piece_size(1000) // MB, piece_size(1024 * MB) // MB, piece_size(20_000 * MB) // MB
    (8, 16, 64)
    """
    return max(PIECE, min(LARGEST, size // PIECES))


def piece(wire: Wire, file: Any, address: str, offset: int, size: int) -> tuple[str | None, int | None]:
    """One PATCH. Returns (asset id once complete, new offset); the offset is None when the server has to be asked."""
    file.seek(offset)
    response = wire.http.patch(address, content=file.read(piece_size(size)), headers=TUS | {
        "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)})
    if response.status_code == 409 and "Upload-Offset" in response.headers:     # a piece arrived though its answer did not
        return None, None
    if response.status_code == 429:
        time.sleep(min(wait_of(response), 60))
        return None, None
    if response.status_code in AGAIN:
        raise httpx.ReadError(f"the server answered {response.status_code}")
    if response.is_error:
        from espalier.errors import of_response

        raise of_response(response)
    return response.headers.get("Espalier-Asset"), int(response.headers["Upload-Offset"])


def sha256(path: Path) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1024 * 1024):
            whole.update(block)
    return whole.hexdigest()


def metadata(pairs: dict[str, str]) -> str:
    """tus pairs, each value in base64.

    >>> metadata({"kind": "model"})
    'kind bW9kZWw='
    """
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items() if value)
