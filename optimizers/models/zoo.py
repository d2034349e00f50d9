"""Small networks to start from: what there is, which suit a dataset and a device, and how to build one. Names only here; nets elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from optimizers.errors import OptimizerError
from optimizers.values import Value

if TYPE_CHECKING:
    from optimizers.cards import DatasetCard
    from optimizers.device import Device
    from optimizers.models.network import Network


class Architecture(Value):
    """takes: pictures (channels, height, width) or vectors (any row, laid flat).  kib: float32 weights for 10 classes, about."""

    name: str
    title: str
    about: str
    takes: Literal["pictures", "vectors"]
    kib: int
    least: int = 1              # shorter side of the smallest picture it makes sense for


ARCHITECTURES: dict[str, Architecture] = {entry.name: entry for entry in (
    Architecture(name="resnet8", title="ResNet-8", about="Residual, 78 k parameters; the image classifier of MLPerf Tiny.",
                 takes="pictures", kib=305,
                 least=12),
    Architecture(name="dscnn", title="DS-CNN", about="Depthwise-separable, 21 k parameters; spectrograms and small pictures.",
                 takes="pictures", kib=85,
                 least=10),
    Architecture(name="tiny-cnn", title="Tiny CNN", about="Three convolutions, 24 k parameters; pictures as small as 8x8.",
                 takes="pictures", kib=94,
                 least=4),
    Architecture(name="mobilenet-small", title="MobileNet, quarter width", about="Depthwise-separable, 150 k parameters; larger pictures.",
                 takes="pictures", kib=610, least=24),
    Architecture(name="vit-small", title="Small vision transformer", about="Four attention blocks, 140 k parameters; wants much data.",
                 takes="pictures",
                 kib=560, least=16),
    Architecture(name="mlp", title="Two hidden layers", about="64 and 32 units; tables and vectors.", takes="vectors", kib=20),
)}


def build(name: str, row_shape: tuple[int, ...], outputs: int, seed: int = 0) -> Network:
    """A network with fresh weights. row_shape: (channels, height, width) or (features,); outputs: classes, or 1 for regression.

    Raises OptimizerError for an unknown name or a row the architecture cannot take.
    """
    from optimizers.models import zoo_nets
    from optimizers.models.network import Network
    from optimizers.models.preprocessing import Preprocessing

    entry = known(name)
    if entry.takes == "pictures" and len(row_shape) != 3:
        raise OptimizerError(f"{entry.title} takes pictures; a row here has the shape {tuple(row_shape)}.", "architecture",
                             "Use 'mlp' for tables and vectors.", "architecture-rows")
    proto = getattr(zoo_nets, name.replace("-", "_"))(tuple(row_shape), outputs, seed)
    return Network(proto, Preprocessing(scale="0-1" if len(row_shape) == 3 else "none"))


def known(name: str) -> Architecture:
    """The entry of that name; raises OptimizerError listing the names there are."""
    if name not in ARCHITECTURES:
        raise OptimizerError(f"There is no architecture '{str(name)[:60]}'.", "architecture", f"Known: {', '.join(ARCHITECTURES)}.",
                             "architecture")
    return ARCHITECTURES[name]


def suggest(dataset: DatasetCard, device: Device | None = None) -> list[str]:
    """Architectures that suit the rows, best first; those whose float weights exceed four times the device's flash are left out."""
    return suited(dataset.row_shape, device)


def suited(row_shape: tuple[int, ...], device: Device | None = None) -> list[str]:
    """The same for a bare row shape; never empty.

    >>> suited((1, 8, 8)), suited((13,))
    (['tiny-cnn'], ['mlp'])
    """
    if len(row_shape) != 3:
        return ["mlp"]
    side = min(row_shape[1:])
    order = ["resnet8", "dscnn", "tiny-cnn", "mobilenet-small"] if side < 64 else ["mobilenet-small", "resnet8", "dscnn", "tiny-cnn"]
    if device is not None and device.kind == "microcontroller":
        order.sort(key=lambda name: ARCHITECTURES[name].kib)
    room = 4 * device.flash_kib.value if device is not None and device.flash_kib else float("inf")
    fitting = [name for name in order if side >= ARCHITECTURES[name].least and ARCHITECTURES[name].kib <= room]
    return fitting or (["tiny-cnn"] if side >= 2 else ["mlp"])
