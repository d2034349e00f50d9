"""A board as a value. The catalogue is devices.toml beside this file: each value with unit and source."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from optimizers.values import Value, printable

Figure = Annotated[float, Field(ge=1e-9, le=1e15, allow_inf_nan=False)]
Words = Annotated[str, Field(max_length=200), AfterValidator(printable)]
Kind = Literal["microcontroller", "board", "gpu", "laptop", "cloud", "server"]


class Fact(Value):
    """One figure of a data sheet. source: the document it was taken from, or how it was measured."""

    value: Figure
    unit: Annotated[Words, Field(max_length=40)]
    source: Annotated[Words, Field(max_length=500)]


class Device(Value):
    """Where a model must live.

    clock_mhz, flash_kib, ram_kib: Facts (flash is None where storage is a disk).  dtypes: legal element types.
    runtimes: what executes there: "onnxruntime", "c", "tflite-micro", "tensorrt".
    macs_per_cycle: sustained multiply-accumulates per cycle by dtype, for modelled latency.
    active_mw: board power while computing, for modelled energy.
    """

    name: Words                 # "stm32h743"
    title: Words                # "STM32H743"
    core: Words                 # "Cortex-M7"
    kind: Kind
    isa: Words                  # "armv7e-m", "aarch64", "x86-64", "xtensa-lx7"
    cores: int = Field(1, ge=1, le=1_000_000)
    clock_mhz: Fact
    flash_kib: Fact | None = None
    ram_kib: Fact
    dtypes: Annotated[tuple[Words, ...], Field(max_length=32)]
    runtimes: Annotated[tuple[Words, ...], Field(max_length=32)]
    macs_per_cycle: Annotated[dict[Words, Fact], Field(max_length=32)] = {}
    active_mw: Fact | None = None
    note: Annotated[str, Field(max_length=2000), AfterValidator(printable)] = ""
    here: bool = False          # this server: latency is measured, not modelled


@cache
def catalogue() -> dict[str, Device]:
    """Every device of devices.toml by name, in the order of the file."""
    table = tomllib.loads((Path(__file__).parent / "devices.toml").read_text("utf-8"))
    return {name: Device(name=name, **row) for name, row in table.items()}
