"""What travels when a model is sent to a device: its file under a standard coding, or model.esp where a recipe ends in 'entropy-code'.

The standard one is DEFLATE: phones, browsers and gateways all undo it (as gzip, or inside an app's package) without being told.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

from optimizers.coding import decode, esp

NO_GAIN = "Entropy coding makes no smaller file than DEFLATE does of this one, so model.onnx travels as it is."


@dataclass(frozen=True)
class Transfer:
    """size: bytes that travel.  how: names the coding.  content: model.esp; None where model.onnx itself is sent under DEFLATE."""

    size: int
    how: str
    content: bytes | None = None


def transfer(content: bytes, coded: bool, name: str = "model.onnx") -> Transfer:
    """content: of the file called name.  coded: whether the recipe asks for model.esp, which is then made unless DEFLATE does as well."""
    standard = len(zlib.compress(content, 9))
    if coded and len(made := esp.encode(content)) < standard:
        return Transfer(len(made), "Bytes of model.esp / 1024; decode.py, which undoes it, is not counted", made)
    return Transfer(standard, f"Bytes of {name} under DEFLATE (zlib, level 9) / 1024")


def decoder() -> bytes:
    """decode.py as it ships beside model.esp: the very file that the encoder checks itself with."""
    return Path(decode.__file__).read_bytes()
