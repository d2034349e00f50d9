"""One picture: bytes to pixels with limits, pixels to a small PNG for a page."""

from __future__ import annotations

import base64
import io
import warnings

import numpy as np
from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
MOST_PIXELS = 40_000_000
MOST_BYTES = 64 << 20
GREY = {"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F"}


class Unreadable(Exception):
    """A picture that cannot be used; the message says why."""


def opened(raw: bytes) -> Image.Image:
    """The header only, in one of FORMATS and of at most 40 MP.  Raises Unreadable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(raw), formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as fault:
        raise Unreadable("more than 40 megapixels") from fault
    except Exception as fault:      # decoders of strangers' bytes raise whatever they like
        raise Unreadable("not a PNG, JPEG, WEBP or BMP picture") from fault
    if picture.width * picture.height > MOST_PIXELS:
        raise Unreadable(f"{picture.width * picture.height / 1e6:,.0f} megapixels, at most 40 are read")
    if getattr(picture, "n_frames", 1) > 1:
        raise Unreadable("an animation")
    return picture


def pixels(raw: bytes, channels: int, size: tuple[int, int]) -> np.ndarray:
    """uint8 (channels, height, width), resized to `size` (height, width) when it has another.  Raises Unreadable."""
    picture = opened(raw)
    try:
        if max(size) * 4 < max(picture.size):
            picture.draft("RGB" if channels == 3 else "L", (size[1], size[0]))      # JPEG: decode at a smaller scale
        if picture.mode.startswith("I"):
            picture = Image.fromarray((np.asarray(picture, np.int64).clip(0, 65535) >> 8).astype(np.uint8))
        picture = picture.convert("L" if channels == 1 else "RGB")
        if picture.size != (size[1], size[0]):
            picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
        values = np.asarray(picture, np.uint8)
    except Exception as fault:
        raise Unreadable("damaged, or cut off") from fault
    return values[None] if channels == 1 else np.moveaxis(values, -1, 0)


def thumbnail(x: np.ndarray) -> str:
    """A raw row (1 or 3, height, width) as data:image/png;base64, at most 64 px; tiny ones are enlarged pixel by pixel.

    Values that are not bytes are stretched over the row's own range.
    """
    if x.dtype != np.uint8:
        low, high = float(x.min()), float(x.max())
        x = ((x - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
    picture = Image.fromarray(x[0] if len(x) != 3 else np.moveaxis(x, 0, -1))
    side = max(picture.size)
    if side > 64:
        picture.thumbnail((64, 64), Image.Resampling.BILINEAR)
    elif side < 40:
        factor = round(48 / side)
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
