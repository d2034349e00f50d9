"""A stranger's models: nets of MLPerf Tiny's shapes and a small ViT, trained on Fashion-MNIST in plain PyTorch and exported as ONNX.

Espalier has no hand in them, so what the benchmarks upload is what a user would. An epoch of ResNet-8 takes 20 s on two cores with
AVX-512, 90 s on one with AVX2.

    python -m benchmarks.strangers OUT.onnx [--net resnet8] [--epochs 12] [--seed 0]
"""

import argparse
import gzip
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

SHARED = Path(os.environ.get("ESPALIER_SHARED", Path(__file__).parents[1].parent / "shared"))
FASHION = SHARED / "data" / "vision" / "fashion-mnist"


def idx(name: str) -> np.ndarray:
    raw = gzip.decompress((FASHION / name).read_bytes())
    axes = raw[3]
    shape = np.frombuffer(raw, ">i4", axes, 4)
    return np.frombuffer(raw, np.uint8, -1, 4 + 4 * axes).reshape(shape)


class Block(nn.Module):
    def __init__(self, wide_in: int, wide: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(wide_in, wide, 3, stride, 1, bias=False), nn.BatchNorm2d(wide)
        self.conv2, self.bn2 = nn.Conv2d(wide, wide, 3, 1, 1, bias=False), nn.BatchNorm2d(wide)
        self.skip = nn.Conv2d(wide_in, wide, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.skip(x))


class ResNet8(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.bn = nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.blocks = nn.Sequential(Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2))
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        y = self.blocks(F.relu(self.bn(self.stem(x))))
        return self.fc(F.adaptive_avg_pool2d(y, 1).flatten(1))


class Separable(nn.Sequential):
    """Depthwise 3x3 and pointwise, each with batch norm and ReLU."""

    def __init__(self, wide_in: int, wide: int, stride: int = 1) -> None:
        super().__init__(nn.Conv2d(wide_in, wide_in, 3, stride, 1, groups=wide_in, bias=False), nn.BatchNorm2d(wide_in), nn.ReLU(),
                         nn.Conv2d(wide_in, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU())


class DsCnn(nn.Sequential):
    """64 channels, four separable blocks, as in MLPerf Tiny's keyword spotting."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), *(Separable(64, 64) for _ in range(4)),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class Inverted(nn.Module):
    """MobileNetV2's block: widen, depthwise, narrow; ReLU6; a skip where the shape stays."""

    def __init__(self, wide_in: int, wide: int, stride: int, times: int = 4) -> None:
        super().__init__()
        inner = times * wide_in
        self.skips = stride == 1 and wide_in == wide
        self.body = nn.Sequential(nn.Conv2d(wide_in, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU6(),
                                  nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False), nn.BatchNorm2d(inner), nn.ReLU6(),
                                  nn.Conv2d(inner, wide, 1, bias=False), nn.BatchNorm2d(wide))

    def forward(self, x):
        return x + self.body(x) if self.skips else self.body(x)


class MobileNet(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(), Inverted(16, 24, 1), Inverted(24, 24, 1),
                         Inverted(24, 32, 2), Inverted(32, 32, 1), Inverted(32, 64, 1), nn.Conv2d(64, 128, 1, bias=False),
                         nn.BatchNorm2d(128), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


class Encoder(nn.Module):
    """Attention and MLP, norms first, written out so that an exporter sees plain products."""

    def __init__(self, wide: int, heads: int) -> None:
        super().__init__()
        self.heads, self.norm1, self.norm2 = heads, nn.LayerNorm(wide), nn.LayerNorm(wide)
        self.query, self.key, self.value, self.out = (nn.Linear(wide, wide) for _ in range(4))
        self.up, self.down = nn.Linear(wide, 4 * wide), nn.Linear(4 * wide, wide)

    def forward(self, x):
        y = self.norm1(x)
        q, k, v = (layer(y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value))
        weights = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1)
        x = x + self.out((weights @ v).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Vit(nn.Module):
    """Patches of 4x4, four encoders of width 96; the mean of the tokens is classified."""

    def __init__(self, wide: int = 96) -> None:
        super().__init__()
        self.patches, self.position = nn.Conv2d(1, wide, 4, 4), nn.Parameter(0.02 * torch.randn(1, 49, wide))
        self.encoders, self.norm, self.fc = nn.Sequential(*(Encoder(wide, 4) for _ in range(4))), nn.LayerNorm(wide), nn.Linear(wide, 10)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.position
        return self.fc(self.norm(self.encoders(tokens)).mean(1))


class Mlp(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


NETS = {"resnet8": (ResNet8, 0.006), "dscnn": (DsCnn, 0.006), "mobilenet": (MobileNet, 0.006), "vit": (Vit, 0.001), "mlp": (Mlp, 0.001)}


def train(net: str, epochs: int, seed: int = 0, batch: int = 128) -> tuple[nn.Module, float]:
    """AdamW, one cycle, flips. Test rows are scored once, at the end. Returns the model and its test accuracy."""
    torch.manual_seed(seed)
    kind, peak = NETS[net]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x = torch.from_numpy(idx("train-images-idx3-ubyte.gz").copy())[:, None].to(device)
    y = torch.from_numpy(idx("train-labels-idx1-ubyte.gz").astype(np.int64)).to(device)
    model = kind().to(device, memory_format=torch.channels_last)
    steps = epochs * (len(x) // batch)
    opt = torch.optim.AdamW(model.parameters(), peak, weight_decay=0.01)
    plan = torch.optim.lr_scheduler.OneCycleLR(opt, peak, total_steps=steps)
    started = time.perf_counter()
    for epoch in range(epochs):
        model.train()
        for rows in torch.randperm(len(x), device=device)[: len(x) // batch * batch].view(-1, batch):
            pictures = x[rows].float() / 255
            if torch.rand(()) < 0.5:
                pictures = pictures.flip(3)
            loss = F.cross_entropy(model(pictures.contiguous(memory_format=torch.channels_last)), y[rows])
            opt.zero_grad(set_to_none=True)
            loss.backward()
            opt.step()
            plan.step()
        print(f"epoch {epoch + 1} of {epochs}: loss {loss.item():.3f}, {time.perf_counter() - started:.0f} s", flush=True)
    model.eval()
    tx = torch.from_numpy(idx("t10k-images-idx3-ubyte.gz").copy())[:, None].to(device)
    ty = torch.from_numpy(idx("t10k-labels-idx1-ubyte.gz").astype(np.int64)).to(device)
    with torch.no_grad():
        right = sum(int((model(part.float() / 255).argmax(1) == labels).sum()) for part, labels in zip(tx.split(500), ty.split(500)))
    return model.cpu().to(memory_format=torch.contiguous_format), right / len(ty)


def ready(path: Path) -> Path:
    """The file, trained first where it is not there; its stem names the net."""
    if not path.exists():
        made, accuracy = train(path.stem if path.stem in NETS else "resnet8", 12)
        export(made, path)
        print(f"trained {path}: top-1 {accuracy:.4f}", flush=True)
    return path


def export(model: nn.Module, path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=4096)
    program = torch.onnx.export(model, (torch.zeros(2, 1, 28, 28),), dynamo=True, input_names=["image"], output_names=["logits"],
                                dynamic_shapes=({0: batch},), verbose=False)
    program.save(str(path))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--net", choices=NETS, default="resnet8")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    wishes = parser.parse_args()
    made, accuracy = train(wishes.net, wishes.epochs, wishes.seed)
    export(made, wishes.out)
    print(f"{wishes.out}: {wishes.out.stat().st_size / 1024:.1f} KiB, top-1 {accuracy:.4f} on 10,000 test images")
