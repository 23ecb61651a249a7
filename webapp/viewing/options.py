"""How a result is looked at, as an address says it: the model that reads it, and the API's document is made from."""

from __future__ import annotations

import math
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.json_schema import SkipJsonSchema
from werkzeug.datastructures import MultiDict

from model.errors import InvalidOption
from model.overlay import COLOUR_MAPS, DEFAULT_STYLE
from model.threshold import DEFAULT_THRESHOLD, parse_number

VIEWS = {
    "side": "Side by side",
    "original": "Original",
    "overlay": "Overlay",
    "mask": "Mask",
    "heat": "Heat map",
    "why": "Why",
}
"""What can be looked at, and what it is called."""

_SHOWN_LETTERS = 20


def _one_of(*known: str, meaning: str) -> Any:
    """Return a field that is one of several words, the first of them where it is not given."""
    as_sent: dict[str, Any] = {"type": "string", "enum": list(known), "default": known[0]}
    return Field(default=known[0], description=meaning, json_schema_extra=as_sent, validate_default=True)


def _read_number(text: object, info: ValidationInfo) -> float:
    value = parse_number(str(text))
    if math.isnan(value):
        example = DEFAULT_THRESHOLD if info.field_name == "threshold" else DEFAULT_STYLE.opacity
        shown = str(text)[:_SHOWN_LETTERS]
        raise InvalidOption(f"The option {info.field_name} is {shown!r}, which is no number. Try {example:g}.")
    return value


class ViewOptions(BaseModel):
    """How a result is looked at. Numbers out of range are brought into it; what cannot be read raises InvalidOption."""

    model_config = ConfigDict(frozen=True)

    view: str = _one_of(*VIEWS, meaning="what the page shows")
    threshold: Annotated[float, BeforeValidator(_read_number)] | SkipJsonSchema[None] = Field(
        default=None,
        description="probability from which a pixel counts as lesion, to the nearest of 0.01, 0.02 ... 0.99; that at "
        "which it was read where it is not given",
    )
    opacity: Annotated[
        float, BeforeValidator(_read_number), AfterValidator(lambda value: min(max(value, 0.0), 1.0))
    ] = Field(default=DEFAULT_STYLE.opacity, description="of the heat where the probability is 1; 0 to 1")
    colours: str = _one_of(*COLOUR_MAPS, meaning="the colour map")
    outline: bool = _one_of("1", "0", meaning="1 draws the outline of what is called, 0 leaves it out")
    bar: bool = _one_of("1", "0", meaning="1 draws the colour bar, 0 leaves it out")
    download: bool = _one_of("0", "1", meaning="1 sends it as a file to keep")

    @field_validator("view", "colours", "outline", "bar", "download", mode="before")
    @classmethod
    def _read_word(cls, text: str, info: ValidationInfo) -> str:
        field = cls.model_fields[info.field_name or ""]
        known: list[str] = field.json_schema_extra["enum"]  # type: ignore[index, assignment]  # Of `_one_of`.
        if text not in known:
            shown = text[:_SHOWN_LETTERS]
            raise InvalidOption(f"The option {info.field_name} is {shown!r}. Choose one of {', '.join(known)}.")
        return text

    @classmethod
    def of_address(cls, address: MultiDict[str, str]) -> Self:
        """Read the options of an address, whose other parts are passed over; an empty one is not given.

        A form sends a box that is not ticked by a hidden field before it: the last one of a name counts.

        Raises
        ------
        InvalidOption : a number is none, or a word is unknown.
        """
        given = {name: texts[-1].strip() for name, texts in address.lists() if name in cls.model_fields}
        return cls.model_validate({name: text for name, text in given.items() if text})
