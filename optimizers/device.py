"""A board as a value. The catalogue is devices.toml beside this file: each value with unit and source."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from optimizers.values import Value

Kind = Literal["microcontroller", "board", "gpu", "laptop", "cloud", "server"]


class Fact(Value):
    """One figure of a data sheet. source: the document it was taken from, or how it was measured."""

    value: float
    unit: str
    source: str


class Device(Value):
    """Where a model must live.

    clock_mhz, flash_kib, ram_kib: Facts (flash is None where storage is a disk).  dtypes: legal element types.
    runtimes: what executes there: "onnxruntime", "c", "tflite-micro", "tensorrt".
    macs_per_cycle: sustained multiply-accumulates per cycle by dtype, for modelled latency.
    active_mw: board power while computing, for modelled energy.
    """

    name: str                   # "stm32h743"
    title: str                  # "STM32H743"
    core: str                   # "Cortex-M7"
    kind: Kind
    isa: str                    # "armv7e-m", "aarch64", "x86-64", "xtensa-lx7"
    cores: int = 1
    clock_mhz: Fact
    flash_kib: Fact | None = None
    ram_kib: Fact
    dtypes: tuple[str, ...]
    runtimes: tuple[str, ...]
    macs_per_cycle: dict[str, Fact] = {}
    active_mw: Fact | None = None
    note: str = ""
    here: bool = False          # this server: latency is measured, not modelled


@cache
def catalogue() -> dict[str, Device]:
    """Every device of devices.toml by name, in the order of the file."""
    table = tomllib.loads((Path(__file__).parent / "devices.toml").read_text("utf-8"))
    return {name: Device(name=name, **row) for name, row in table.items()}
