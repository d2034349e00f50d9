"""A stranger's model: ResNet-8 of MLPerf Tiny's shape, trained on Fashion-MNIST in plain PyTorch and exported as ONNX.

Espalier has no hand in it, so what the benchmark uploads is what a user would. Takes about four minutes on two cores.

    python -m benchmarks.resnet8 OUT.onnx [--epochs 12]
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


def train(epochs: int, batch: int = 128, peak: float = 0.006) -> tuple[nn.Module, float]:
    """AdamW, one cycle, flips. Test rows are scored once, at the end. Returns the model and its test accuracy."""
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x = torch.from_numpy(idx("train-images-idx3-ubyte.gz").copy())[:, None].to(device)
    y = torch.from_numpy(idx("train-labels-idx1-ubyte.gz").astype(np.int64)).to(device)
    model = ResNet8().to(device)
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
            loss = F.cross_entropy(model(pictures), y[rows])
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
    return model.cpu(), right / len(ty)


def export(model: nn.Module, path: Path) -> None:
    batch = torch.export.Dim("batch", min=1, max=4096)
    program = torch.onnx.export(model, (torch.zeros(2, 1, 28, 28),), dynamo=True, input_names=["image"], output_names=["logits"],
                                dynamic_shapes=({0: batch},), verbose=False)
    program.save(str(path))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=12)
    wishes = parser.parse_args()
    made, accuracy = train(wishes.epochs)
    export(made, wishes.out)
    print(f"{wishes.out}: {wishes.out.stat().st_size / 1024:.1f} KiB, top-1 {accuracy:.4f} on 10,000 test images")
