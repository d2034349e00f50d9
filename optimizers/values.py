"""The base of every value that crosses a floor: frozen, strict about names, JSON in and out."""

import unicodedata

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen record; an unknown field is a mistake, not a wish."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


def printable(text: str) -> str:
    """The text, if a page and a database can hold it: no NUL or other control but line breaks and tabs, no half of a surrogate pair,
    nothing that turns the direction of the words after it. Raises ValueError; for pydantic's AfterValidator.

    >>> printable("STM32\\nrev. 2")
    'STM32\\nrev. 2'
    >>> printable("a\\0b")
    Traceback (most recent call last):
        ...
    ValueError: the text holds the invisible character U+0000
    """
    odd = next((letter for letter in text if letter not in "\n\r\t" and unicodedata.category(letter) in ("Cc", "Cf", "Cs")), None)
    if odd is not None:
        raise ValueError(f"the text holds the invisible character U+{ord(odd):04X}")
    return text
