"""The preprocessing of the new-job form: boxes of words to the fields of a Preprocessing, and back."""

from collections.abc import Mapping
from typing import Any

from optimizers.cards import ModelCard
from optimizers.models.preprocessing import PAIRS, pairs, said

SCALES = (("0-1", "0 to 1"), ("0-255", "0 to 255, as bytes are"), ("-1-1", "−1 to 1"), ("standard", "minus mean, by deviation"),
          ("none", "as it is"))
LAYOUTS = (("nchw", "channels first"), ("nhwc", "channels last"), ("nhw", "no channel axis"))
FIELDS = ("scale", "mean", "std", "size", "channels", "layout", *PAIRS)


def read(data: Mapping[str, str]) -> dict[str, Any] | None:
    """What the boxes say, or None where all are empty. Raises OptimizerError."""
    filled = {name: text for name in FIELDS if (text := data.get(f"feed_{name}", "").strip())}
    return said({name: value(name, text) for name, text in filled.items()}) if filled else None


def value(name: str, text: str) -> Any:
    """
    >>> value("constants", "sr = 16000")
    {'sr': '16000'}
    >>> value("mean", "0.5 0.4, 0.3"), value("size", "240 × 320"), value("layout", "nhwc")
    (['0.5', '0.4', '0.3'], ['240', '320'], 'nhwc')
    """
    if name in PAIRS:
        return pairs(text)
    if name in ("mean", "std"):
        return text.replace(",", " ").replace(";", " ").split()
    return text.lower().replace("×", "x").replace(" ", "").split("x") if name == "size" else text


def boxes(given: Mapping[str, Any] | None) -> dict[str, str]:
    """The form's boxes for what an earlier job was told."""
    given = given or {}
    found = {f"feed_{name}": written(given[name]) for name in PAIRS if given.get(name)}
    for name in FIELDS:
        held = given.get(name)
        if held not in (None, [], ()) and name not in PAIRS:
            found[f"feed_{name}"] = ("×" if name == "size" else ", ").join(map(str, held)) if isinstance(held, (list, tuple)) else str(held)
    return found


def written(given: Mapping[str, Any]) -> str:
    """
    >>> written({"sr": 16000, "gain": 0.5})
    'sr = 16000, gain = 0.5'
    """
    return ", ".join(f"{name} = {value}" for name, value in given.items())


def proposals(card: ModelCard | None) -> dict[str, str] | None:
    """What the boxes of a model with several inputs show while they are empty: what inspection took them for; None for one input."""
    if card is None or len(card.inputs) < 2:
        return None
    asked = next((tensor.name for tensor in card.inputs[1:] if tensor.name not in {*card.constants, *card.carried}), "")
    return {"constants": written(card.constants) or (f"{asked} = 16000" if asked else "none"), "carried": written(card.carried) or "none",
            "inputs": ", ".join(tensor.name for tensor in card.inputs)}
