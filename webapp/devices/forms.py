"""The form for a team's own board. Each figure is asked with its source, because a number without one is a rumour."""

from django import forms
from django.utils.text import slugify
from pydantic import ValidationError

from optimizers.device import Device, catalogue
from webapp.devices.models import TeamDevice
from webapp.devices.shelf import KINDS

DTYPES = ("float32", "float16", "bfloat16", "int8", "int16", "int4")
RUNTIMES = {"onnxruntime": "ONNX Runtime", "c": "generated C", "tflite-micro": "TFLite Micro", "tensorrt": "TensorRT"}
FIGURES = {  # field -> (label, unit, smallest, largest, required)
    "clock_mhz": ("Clock", "MHz", 0.1, 10_000, True),
    "flash_kib": ("Flash", "KiB", 1, 2**30, False),
    "ram_kib": ("RAM", "KiB", 1, 2**32, True),
    "active_mw": ("Power while computing", "mW", 0.01, 2_000_000, False),
}
RATES = {"float32": "MACs per cycle, float32", "int8": "MACs per cycle, int8"}


class DeviceForm(forms.Form):
    """Fields of an optimizers.device.Device; `device` holds the value once the form is valid."""

    device: Device

    title = forms.CharField(max_length=60, label="Name", help_text="As it is printed on the board: Nucleo-F446RE.")
    core = forms.CharField(max_length=60, label="Core", help_text="Cortex-M4F or Cortex-A72; how many is asked below.")
    kind = forms.ChoiceField(choices=[(k, w) for k, w in KINDS.items() if k != "server"], label="Kind")
    isa = forms.CharField(max_length=40, label="Instruction set", help_text="armv7e-m, aarch64, x86-64, xtensa-lx7, rv32imc.")
    cores = forms.IntegerField(min_value=1, max_value=1024, initial=1, label="Cores")
    dtypes = forms.MultipleChoiceField(choices=[(d, d) for d in DTYPES], label="Legal element types",
                                       widget=forms.CheckboxSelectMultiple, initial=["float32", "int8"],
                                       help_text="What its arithmetic can do at a useful speed.")
    runtimes = forms.MultipleChoiceField(choices=list(RUNTIMES.items()), label="Runtimes", widget=forms.CheckboxSelectMultiple,
                                         initial=["c"], help_text="What can execute a model there.")
    note = forms.CharField(max_length=500, required=False, label="Note", widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, *args, team, editing: TeamDevice | None = None, **kwargs) -> None:
        if editing is not None:
            kwargs.setdefault("initial", flat(editing.device()))
        super().__init__(*args, **kwargs)
        self.team, self.editing = team, editing
        for name, (label, unit, low, high, required) in FIGURES.items():
            self.add_figure(name, f"{label}, {unit}", low, high, required)
        for dtype, label in RATES.items():
            self.add_figure(f"rate_{dtype}", label, 0.001, 1_000_000, False)

    def add_figure(self, name: str, label: str, low: float, high: float, required: bool) -> None:
        self.fields[name] = forms.FloatField(min_value=low, max_value=high, required=required, label=label)
        self.fields[f"{name}_source"] = forms.CharField(max_length=200, required=False, label=f"Source of {label}")

    def figures(self):
        """(value field, source field) pairs, for the template."""
        names = [*FIGURES, *(f"rate_{dtype}" for dtype in RATES)]
        return [(self[name], self[f"{name}_source"]) for name in names]

    def words(self):
        return [self[name] for name in ("title", "core", "kind", "isa", "cores")]

    def choices(self):
        return [self[name] for name in ("dtypes", "runtimes")]

    def clean(self):
        data = super().clean() or {}
        for name in [*FIGURES, *(f"rate_{dtype}" for dtype in RATES)]:
            if data.get(name) is not None and not data.get(f"{name}_source"):
                self.add_error(f"{name}_source", "Say where the figure comes from: a data sheet and page, or how you measured it.")
        name = self.editing.name if self.editing else slugify(data.get("title", ""))[:60]
        if not name:
            self.add_error("title", "The name needs at least one letter or digit.")
        elif not self.editing and (name in catalogue() or name == "new" or self.team.devices.filter(name=name).exists()):
            self.add_error("title", f"There is a device named {name} already. Choose another name.")
        if not self.errors:
            self.build(name, data)
        return data

    def build(self, name: str, data: dict) -> None:
        def fact(field: str, unit: str) -> dict | None:
            return None if data.get(field) is None else {"value": data[field], "unit": unit, "source": data[f"{field}_source"]}

        row = {key: data[key] for key in ("title", "core", "kind", "isa", "cores", "note")}
        row |= {name: fact(name, unit) for name, (_, unit, *_rest) in FIGURES.items()}
        row |= {"name": name, "dtypes": tuple(data["dtypes"]), "runtimes": tuple(data["runtimes"])}
        row["macs_per_cycle"] = {d: rate for d in RATES if (rate := fact(f"rate_{d}", "MAC/cycle"))}
        try:
            self.device = Device.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            self.add_error(None, f"{first['msg']} [{'.'.join(map(str, first['loc']))}]")


def flat(device: Device) -> dict:
    """The form's initial values from a stored device."""
    row = {key: getattr(device, key) for key in ("title", "core", "kind", "isa", "cores", "note")}
    row |= {"dtypes": list(device.dtypes), "runtimes": list(device.runtimes)}
    facts = {name: getattr(device, name) for name in FIGURES} | {f"rate_{d}": device.macs_per_cycle.get(d) for d in RATES}
    for name, fact in facts.items():
        if fact is not None:
            row |= {name: fact.value, f"{name}_source": fact.source}
    return row
