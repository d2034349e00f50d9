"""What a person may say about a dataset, over what inspection finds by itself. Forms, REST and command lines speak these names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from optimizers.errors import OptimizerError
from optimizers.values import Value

Kind = Literal["number", "category", "date", "text"]        # text is left out
Split = Literal["random", "groups", "time", "column"]
Name = Annotated[str, Field(max_length=200)]
MOST = 2_000                # columns that can be named


class DatasetOptions(Value):
    """target: the column to predict.  task: None to find out.  header: whether the first row holds names.
    types: column -> what it is.  drop: columns that become no feature.
    split: random (by content, the classes' shares kept); groups: rows with the same `split_by` stay together; time: the newest by
    `split_by` are test; column: `split_by` holds train, validation, test.  None: as the file declares, else random.
    validation: what it is taken from where test is declared and it is not: half of test, because a model made elsewhere has seen
    all of train; or 15 % of train, so that test stays whole.
    strip_labels: remove dots at the end of labels.
    """

    target: Name | None = None
    task: Literal["classification", "regression", "unlabelled"] | None = None
    header: bool | None = None
    types: Annotated[dict[Name, Kind], Field(max_length=MOST)] = {}
    drop: Annotated[tuple[Name, ...], Field(max_length=MOST)] = ()
    split: Split | None = None
    split_by: Name | None = None
    validation: Literal["test", "train"] = "test"
    strip_labels: bool = False

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> DatasetOptions:
        """From stored or sent options; those of other kinds of file are left alone.  Raises OptimizerError.

        >>> DatasetOptions.of({"types": {"age": "number"}, "preprocessing": "x"}).types
        {'age': 'number'}
        """
        try:
            found = cls.model_validate({name: value for name, value in said.items() if name in cls.model_fields and value is not None})
        except ValidationError as error:
            first = error.errors()[0]
            field, place = str(first["loc"][0]), ".".join(str(part)[:60] for part in first["loc"] if part != "[key]")
            raise OptimizerError(f"{first['msg']}; got {str(first['input'])[:60]!r}.", f"options.{place}", MENDS.get(field, ""),
                                 "bad-option") from None
        if found.split in ("groups", "time", "column") and not found.split_by:
            raise OptimizerError(f"A split by {found.split} needs a column.", "options.split_by", "Name the column.", "bad-option")
        return found

    def said(self) -> dict[str, Any]:
        """What differs from the defaults, as JSON."""
        return self.model_dump(mode="json", exclude_defaults=True)


MENDS = {"types": "A type is number, category, date or text (left out).", "split": "A split is random, groups, time or column.",
         "task": "A task is classification, regression or unlabelled.", "drop": "Name the columns in a list.",
         "validation": "Take it from test or from train."}
