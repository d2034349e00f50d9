"""XNOR-popcount kernels against the int8 reference in C, both compiled by this system's cc with the same options, in one run.

Layers of ResNet-8 at 28 x 28. Every result is compared with numpy's; a ratio is the median over interleaved repeats of one thread's
processor time. Goal: at least 4 times.

    python -m benchmarks.xnor [--repeats 41]
"""

import argparse
import ctypes
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from optimizers.export import xnor

LAYERS = {"conv 3x3, 16 -> 16, 28x28": (16, 28, 16, 3, 1), "conv 3x3 s2, 16 -> 32, 28x28": (16, 28, 32, 3, 2),
          "conv 3x3, 32 -> 32, 14x14": (32, 14, 32, 3, 1), "conv 1x1 s2, 32 -> 64, 14x14": (32, 14, 64, 1, 2),
          "conv 3x3, 64 -> 64, 7x7": (64, 7, 64, 3, 1)}
OPTIONS = (("-O2",), ("-O3",), ("-O3", "-march=native"))
FIELDS = ("channels", "height", "width", "outs", "out_height", "out_width", "kernel_height", "kernel_width", "stride_height",
          "stride_width", "pad_top", "pad_left")


class Shape(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in FIELDS]


def compiled(compiler: str, folder: Path, options: tuple[str, ...]) -> ctypes.CDLL:
    """Both kernels as one library, freestanding, with warnings as errors."""
    target = folder / f"kernels{''.join(options)}.so"
    subprocess.run([compiler, "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-ffreestanding", "-shared", "-fPIC", *options,
                    str(xnor.C / "xnor.c"), str(xnor.C / "int8.c"), "-o", str(target)], check=True)
    return ctypes.CDLL(str(target))


def shape_of(channels: int, side: int, outs: int, kernel: int, stride: int) -> Shape:
    made, pad = -(-side // stride), kernel // 2
    return Shape(channels, side, side, outs, made, made, kernel, kernel, stride, stride, pad, pad)


def by_numpy(x: np.ndarray, w: np.ndarray, s: Shape) -> np.ndarray:
    """Sums (out_height, out_width, outs) of x (height, width, channels) and w (outs, kernel, kernel, channels), zeros around."""
    padded = np.pad(x.astype(np.int64), ((s.pad_top, s.kernel_height), (s.pad_left, s.kernel_width), (0, 0)))
    found = np.zeros((s.out_height, s.out_width, s.outs), np.int64)
    for ky in range(s.kernel_height):
        for kx in range(s.kernel_width):
            rows = padded[ky:ky + s.stride_height * s.out_height:s.stride_height, kx:kx + s.stride_width * s.out_width:s.stride_width]
            found += rows @ w[:, ky, kx].T.astype(np.int64)
    return found


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


def timed(call, times: int) -> float:
    start = time.thread_time()
    for _ in range(times):
        call()
    return (time.thread_time() - start) / times


def ratio(library: ctypes.CDLL, layer: tuple[int, ...], repeats: int) -> tuple[float, float, float]:
    """(int8 time / XNOR time, microseconds of int8, of XNOR); raises AssertionError where a sum differs."""
    s = shape_of(*layer)
    rng = np.random.default_rng(0)
    x = rng.choice([-1, 1], (s.height, s.width, s.channels)).astype(np.int8)
    w = rng.choice([-1, 1], (s.outs, s.kernel_height, s.kernel_width, s.channels)).astype(np.int8)
    packed_x, packed_w = xnor.words_of(x > 0), xnor.filters(np.moveaxis(w, -1, 1))
    sums = {name: np.zeros((s.out_height, s.out_width, s.outs), np.int32) for name in ("int8", "xnor")}
    calls = {"int8": lambda: library.int8_conv2d(ctypes.byref(s), pointer(x), pointer(w), pointer(sums["int8"])),
             "xnor": lambda: library.xnor_conv2d(ctypes.byref(s), pointer(packed_x), pointer(packed_w), pointer(sums["xnor"]))}
    wanted = by_numpy(x, w, s)
    counts = {}
    for name, call in calls.items():
        call()
        assert np.array_equal(sums[name], wanted), name
        counts[name] = max(1, round(0.003 / max(timed(call, 3), 1e-6)))
    taken = np.array([[timed(calls[name], counts[name]) for name in calls] for _ in range(repeats)])
    return float(np.median(taken[:, 0] / taken[:, 1])), *(1e6 * np.median(taken, axis=0))


def main(repeats: int) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        print("Skipped: there is no C compiler (cc) on this system.")
        return
    with tempfile.TemporaryDirectory() as folder:
        for options in OPTIONS:
            library = compiled(compiler, Path(folder), options)
            print(f"cc {' '.join(options)}")
            for name, layer in LAYERS.items():
                times, slow, fast = ratio(library, layer, repeats)
                print(f"  {name:30} int8 {slow:8.1f} us   xnor {fast:8.1f} us   {times:5.1f} times")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=41)
    main(parser.parse_args().repeats)
