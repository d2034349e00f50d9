"""From a raw row to the tensor a network was trained on: a small value that travels with the network and ends in the recipe."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from optimizers.errors import OptimizerError
from optimizers.values import Value, printable

PAIRS = ("constants", "carried")

if TYPE_CHECKING:
    import numpy as np

    from optimizers.context import Context
    from optimizers.data.dataset import Dataset
    from optimizers.models.network import Network


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(printable)]         # of an input or output


class Preprocessing(Value):
    """Applied in this order: resize to size (height, width; nearest for grey, bilinear for colour), channels (1 <-> 3), scale, layout.

    scale: "0-1" divides bytes by 255, "0-255" keeps them, "-1-1" is x / 127.5 - 1, "standard" subtracts mean and divides by std
    (per channel or per feature, in units of the raw row divided by 255 for bytes, of the raw row otherwise), "none" casts only.
    Rows of floats are taken to be in 0..1 already: "0-1" and "0-255" cast them, "-1-1" is 2 x - 1.
    layout: "nhw" drops the one channel of grey rows.  flatten: (n, channels * height * width) for networks that take vectors.

    What a network's other inputs are given: constants, input -> the number that fills it, which becomes part of the graph; carried,
    input -> the output whose value for the row before it takes, zeros at the start of a sequence. See `optimizers.models.entries`.
    """

    scale: Literal["0-1", "0-255", "-1-1", "standard", "none"] = "0-1"
    mean: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] = Field((), max_length=10_000)
    std: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = Field((), max_length=10_000)
    size: tuple[Annotated[int, Field(ge=1, le=8192)], Annotated[int, Field(ge=1, le=8192)]] | None = None
    channels: int | None = Field(None, ge=1, le=64)
    layout: Literal["nchw", "nhwc", "nhw"] = "nchw"
    flatten: bool = False
    constants: dict[Name, int | Annotated[float, Field(allow_inf_nan=False)] | bool] = Field({}, max_length=64)
    carried: dict[Name, Name] = Field({}, max_length=64)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """x: raw rows (n, channels, height, width) or (n, features).  Returns float32, contiguous.

        >>> import numpy as np
        >>> Preprocessing()(np.array([[0, 255]], np.uint8))
        array([[0., 1.]], dtype=float32)
        """
        import numpy as np  # not above: the web process checks this value and loads no numpy

        picture = x.ndim == 4
        if picture and self.size and x.shape[2:] != tuple(self.size):
            x = resize(x, self.size)
        if picture and self.channels and x.shape[1] != self.channels:
            x = with_channels(x, self.channels)
        x = self.scaled(np.asarray(x))
        if picture and self.layout == "nhwc":
            x = x.transpose(0, 2, 3, 1)
        if picture and self.layout == "nhw":
            x = x[:, 0]
        if self.flatten:
            x = x.reshape(len(x), -1)
        return np.ascontiguousarray(x, np.float32)

    def scaled(self, x: np.ndarray) -> np.ndarray:
        """x as float32 in the units the network wants; the shape stays."""
        import numpy as np

        byte = x.dtype == np.uint8
        x = x.astype(np.float32)
        if self.scale == "standard":
            across = (1, -1) + (1,) * (x.ndim - 2)
            mean = np.asarray(self.mean or (0.0,), np.float32).reshape(across)
            std = np.asarray(self.std or (1.0,), np.float32).reshape(across)
            return ((x / np.float32(255) if byte else x) - mean) / std
        if self.scale == "-1-1":
            return x / np.float32(127.5) - 1 if byte else 2 * x - 1
        return x / np.float32(255) if byte and self.scale == "0-1" else x


def said(given: str | dict[str, Any]) -> dict[str, Any]:
    """What a person says about preprocessing, checked: a mapping of some fields, or the same as words. Raises OptimizerError.

    >>> said("scale=standard mean=0.498 std=0.502 size=240x320")
    {'scale': 'standard', 'mean': [0.498], 'std': [0.502], 'size': [240, 320]}
    >>> said("constants=sr=16000 carried=h=h_next,c=c_next")
    {'constants': {'sr': 16000}, 'carried': {'h': 'h_next', 'c': 'c_next'}}
    """
    fields = words(given) if isinstance(given, str) else given
    try:
        return Preprocessing(**fields).model_dump(mode="json", exclude_unset=True)
    except (ValidationError, TypeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "This is no mapping of fields"}
        place = ".".join(str(part) for part in first["loc"])
        raise OptimizerError(f"{first['msg']}.", f"preprocessing.{place}"[:200], f"Known: {', '.join(Preprocessing.model_fields)}; such as "
                             "scale=standard mean=0.5 std=0.25 size=224x224.", "bad-preprocessing") from None


def words(text: str) -> dict[str, Any]:
    """JSON, or name=value pairs between blanks: numbers of mean and std with commas between, size as height x width, constants and
    carried as input=value and input=output with commas between."""
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except ValueError:
            return {"json": text[:60]}
    found: dict[str, Any] = {}
    for pair in text.split():
        name, _, value = pair.partition("=")
        found[name] = pairs(value) if name in PAIRS else \
            {"mean": value.split(","), "std": value.split(","), "size": value.lower().split("x")}.get(name, value)
    return found


def pairs(text: str) -> dict[str, str]:
    """Input = what it is given, with commas between.

    >>> pairs("sr = 16000, gain=0.5")
    {'sr': '16000', 'gain': '0.5'}
    """
    found = (pair.partition("=") for pair in text.split(",") if pair.strip())
    return {name.strip(): value.strip() for name, _, value in found}


def resize(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """x: (n, channels, h, w), uint8 or float32.  Returns (n, channels, *size) of the same type; nearest for one channel, else bilinear."""
    import numpy as np
    from PIL import Image

    how = Image.Resampling.NEAREST if x.shape[1] == 1 else Image.Resampling.BILINEAR
    kind = np.uint8 if x.dtype == np.uint8 else np.float32
    out = np.empty((*x.shape[:2], *size), kind)
    for row in range(x.shape[0]):
        for channel in range(x.shape[1]):
            picture = Image.fromarray(np.ascontiguousarray(x[row, channel], kind))
            out[row, channel] = np.asarray(picture.resize((size[1], size[0]), how))
    return out


def with_channels(x: np.ndarray, channels: int) -> np.ndarray:
    """Grey to colour by repeating, colour to grey by ITU-R 601 luma; other pairs keep the first channels, or repeat the last.

    >>> import numpy as np
    >>> with_channels(np.full((1, 3, 1, 1), 200, np.uint8), 1).tolist()
    [[[[200]]]]
    """
    import numpy as np

    have = x.shape[1]
    if have == 3 and channels == 1:
        luma = np.einsum("nchw,c->nhw", x.astype(np.float32), np.array([0.299, 0.587, 0.114], np.float32))[:, None]
        return np.rint(luma).astype(np.uint8) if x.dtype == np.uint8 else luma
    if have >= channels:
        return x[:, :channels]
    return np.concatenate([x, np.repeat(x[:, -1:], channels - have, axis=1)], axis=1)


def guess(network: Network, data: Dataset, ctx: Context) -> Preprocessing:
    """The preprocessing this network was probably trained with; see `optimizers.models.guess`."""
    from optimizers.models.guess import guess as guess_preprocessing

    return guess_preprocessing(network, data, ctx)
