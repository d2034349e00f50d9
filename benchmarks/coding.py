"""Bytes that travel: one network as it is, in int8, with shared weights, and sparse with shared weights; under DEFLATE, xz, zstd and as
model.esp, with seconds there and back. Shared weights are trained on some rows of Fashion-MNIST, and top-1 is told on 5,000 test rows.

80 % zeros are cut by magnitude and not trained on: that row is about size alone.

    python -m benchmarks.coding [--model resnet8.onnx] [--rows 10000] [--epochs 2]

Goal: model.esp the smallest of all in every row, and the sparse network of 5 bits at least 20 times smaller than fp32.
"""

import argparse
import lzma
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
import onnx

from benchmarks.strangers import FASHION, idx
from optimizers.coding import decode, esp
from optimizers.compress.quantize.static import StaticQuantization
from optimizers.compress.share.cluster_weights import WeightClustering
from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.device import catalogue
from optimizers.measure.yardstick import shipped
from optimizers.models.fold import fold_batch_norm
from optimizers.models.network import Network
from optimizers.models.rewrite import weighted, with_tensors


def zstd(flag: str):
    return lambda content: subprocess.run(["zstd", "-q", "-c", flag], input=content, capture_output=True, check=True).stdout


CODINGS = {"zlib -9": (lambda content: zlib.compress(content, 9), zlib.decompress),
           "xz -9e": (lambda content: lzma.compress(content, preset=9 | lzma.PRESET_EXTREME), lzma.decompress),
           "zstd -19": (zstd("-19"), zstd("-d")), "esp": (esp.encode, decode.decode)}


def fashion(rows: int) -> Dataset:
    x, y = idx("train-images-idx3-ubyte.gz")[:, None], idx("train-labels-idx1-ubyte.gz").astype(np.int64)
    test = Split(idx("t10k-images-idx3-ubyte.gz")[:5000, None], idx("t10k-labels-idx1-ubyte.gz")[:5000].astype(np.int64))
    return Dataset(Split(x[:rows], y[:rows]), Split(x[-2000:], y[-2000:]), test, kind="images", task="classification",
                   classes=tuple("0123456789"))


def sparse(network: Network, share: float) -> Network:
    """The least weights of each layer at zero."""
    folded = fold_batch_norm(network.proto)
    tensors = {}
    for layer in weighted(folded):
        line = np.quantile(np.abs(layer.weight), share)
        tensors[layer.node.input[1]] = np.where(np.abs(layer.weight) < line, 0, layer.weight).astype(np.float32)
    return network.with_(proto=with_tensors(folded, tensors))


def main(model: Path, rows: int, epochs: int) -> int:
    if not (FASHION.is_dir() and model.exists()):
        print(f"skipped: there is no {model if FASHION.is_dir() else FASHION}")
        return 0
    data, network = fashion(rows), Network(onnx.load(model))
    with tempfile.TemporaryDirectory() as folder:
        ctx = Context(Path(folder), seed=0, device=catalogue()["laptop-x86"], metric="top1")
        share = lambda network, bits, epochs: WeightClustering(bits=bits, epochs=epochs).apply(network, data, ctx)
        files = {"fp32": shipped(network), "int8": shipped(StaticQuantization().apply(network, data, ctx)),
                 "4 bits, untrained": shipped(share(network, 4, 0)), f"4 bits, {epochs} epochs": shipped(share(network, 4, epochs)),
                 "80 % zeros, 5 bits": shipped(share(sparse(network, 0.8), 5, 0))}
    return tell(files, data)


def tell(files: dict, data: Dataset) -> int:
    whole, reached = files["fp32"].bytes, True
    codings = {name: pair for name, pair in CODINGS.items() if name.split()[0] != "zstd" or shutil.which("zstd")}
    print(f"{'':20} {'top-1':>6} {'file':>9} " + " ".join(f"{name + ': bytes, s, s back':>30}" for name in codings) + "  fp32 / esp")
    for title, file in files.items():
        right = 100 * float((file.predict(data.test.x).argmax(1) == data.test.y).mean())
        cells, sizes = [], {}
        for name, (there, back) in codings.items():
            begin = time.perf_counter()
            coded = there(file.content)
            between = time.perf_counter()
            assert back(coded) == file.content
            sizes[name] = len(coded)
            cells.append(f"{len(coded):16,} {between - begin:6.2f} {time.perf_counter() - between:6.2f}")
        print(f"{title:20} {right:6.2f} {file.bytes:9,} " + " ".join(cells) + f"  {whole / sizes['esp']:6.1f}x", flush=True)
        reached &= min(sizes, key=sizes.get) == "esp"
    reached &= whole / sizes["esp"] >= 20
    print("goal: " + ("reached" if reached else "not reached"))
    return 0 if reached else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=Path("resnet8.onnx"))
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    sys.exit(main(given.model, given.rows, given.epochs))
