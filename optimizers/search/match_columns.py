"""Whether a table's columns and classes are those an estimator was trained on: by number, and by name where both have names."""

from __future__ import annotations

import re

from optimizers.cards import DatasetCard, ModelCard
from optimizers.errors import Refusal

NUMBERED = re.compile(r"column \d+")            # of a table without a header
SHOWN = 6


def columns(model: ModelCard, dataset: DatasetCard) -> Refusal | None:
    """Rows of a table as wide as the model's, under the same names in the same order."""
    width, have = model.inputs[0].shape[-1], dataset.row_shape[0]
    missing = lacking(model, dataset)
    if width is not None and width != have:
        extra = f" Missing: {shown(missing)}." if missing else ""
        return Refusal(wrong=f"The model was trained on {width:,} features, and the table makes {have:,} (a column for each word of a "
                             f"category).{extra}", where=f"features {width:,} and {have:,}", code="columns-differ",
                       mend="Choose the table it was trained on, with the columns encoded in the same way.")
    if missing:
        return Refusal(wrong=f"The model was trained on columns that the table does not have: {shown(missing)}.", where="columns",
                       mend="Choose the table it was trained on, or name its columns as the model does.", code="columns-differ")
    return order(model, dataset)


def features(dataset: DatasetCard) -> tuple[list[str], list[str]]:
    """Names of the number columns, and of those that become several features: categories and dates."""
    used = [column for column in dataset.columns if not column.out]
    return [column.name for column in used if column.type == "number"], [column.name for column in used if column.type != "number"]


def lacking(model: ModelCard, dataset: DatasetCard) -> list[str]:
    """Columns by name that the model knows and the table does not have; none where either has no names."""
    numbers, categories = features(dataset)
    if not model.columns or all(NUMBERED.fullmatch(name) for name in (*numbers, *categories)):
        return []
    known, begins = {plain(name) for name in numbers}, tuple(f"{plain(name)}_" for name in categories)
    return [name for name in model.columns if plain(name) not in known and not plain(name).startswith(begins or ("\0",))]


def order(model: ModelCard, dataset: DatasetCard) -> Refusal | None:
    """The same columns in another order would be read as other columns."""
    numbers, categories = features(dataset)
    here, there = [plain(name) for name in numbers], [plain(name) for name in model.columns]
    if categories or sorted(here) != sorted(there) or here == there:
        return None
    place = next(at for at, pair in enumerate(zip(here, there)) if pair[0] != pair[1])
    return Refusal(wrong=f"The table has the model's columns in another order: '{numbers[place][:60]}' stands where "
                         f"'{model.columns[place][:60]}' was.", where=f"column {place + 1}", code="columns-differ",
                   mend="Bring the table's columns into the order of the training: table[list(model.feature_names_in_) + [target]].")


def classes(model: ModelCard, dataset: DatasetCard) -> Refusal | None:
    """The same classes in the same order; classes that are called 0, 1, 2 ... are places."""
    named, here = [amount(name) for name in model.class_names], [amount(name) for name in dataset.classes]
    if dataset.task != "classification" or not named or named in (here, [str(float(place)) for place in range(len(here))]):
        return None
    what = "orders its classes" if sorted(named) == sorted(here) else "calls its classes"
    return Refusal(wrong=f"The model {what} {shown(model.class_names)}, and the dataset {shown(dataset.classes)}.", where="classes",
                   mend="Choose the dataset it was trained on, with the target written in the same way.", code="classes-differ")


def plain(name: str) -> str:
    """A name as libraries keep it that take no blanks.

    >>> plain("alcalinity of  Ash")
    'alcalinity_of_ash'
    """
    return re.sub(r"\W+", "_", name.strip()).lower()


def amount(name: str) -> str:
    """A number as a number, whatever it was written like.

    >>> amount("1"), amount("1.0"), amount("one")
    ('1.0', '1.0', 'one')
    """
    try:
        return str(float(name))
    except ValueError:
        return name.strip()


def shown(names: tuple[str, ...] | list[str]) -> str:
    listed = ", ".join(name[:40] for name in names[:SHOWN])
    return listed if len(names) <= SHOWN else f"{listed} and {len(names) - SHOWN:,} more"
