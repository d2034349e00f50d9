"""The base of every value that crosses a floor: frozen, strict about names, JSON in and out."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen record; an unknown field is a mistake, not a wish."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")
