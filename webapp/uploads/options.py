"""The options of a request: the models that read them, from which the API's document is made as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from model.errors import InvalidOption
from model.threshold import DEFAULT_THRESHOLD, parse_threshold

_SHOWN_LETTERS = 20

Output = Literal["overlay", "mask", "probability", "json"]


def _switch(meaning: str) -> Any:
    """Return a field that is 1 or 0 in a request, and 0 where it is not given; `meaning` says what 1 does."""
    as_sent: dict[str, Any] = {"type": "string", "enum": ["0", "1"], "default": "0"}
    return Field(default=False, description=meaning, json_schema_extra=as_sent)


class ReadingOptions(BaseModel):
    """How an upload is read. Values come as text; each that cannot be read raises InvalidOption with its sentence."""

    model_config = ConfigDict(frozen=True)

    threshold: Annotated[float, Field(gt=0.0, lt=1.0), BeforeValidator(parse_threshold)] = Field(
        default=DEFAULT_THRESHOLD, description="probability from which a pixel counts as lesion"
    )
    quality: bool = _switch(
        "averages four looks: the slice, the box about its lungs, and both mirrored; four times slower"
    )
    picture: bool = _switch("reads a single DICOM file as a plain picture: a secondary capture, say")
    patient: bool = _switch("prints the file's name in the PDF report, and of a DICOM series the patient's")
    force: bool = _switch("reads what does not look like a chest CT, too; all that is answered carries the warning")

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, given: Mapping[str, str]) -> Mapping[str, str]:
        unknown = sorted(set(given) - set(cls.model_fields))
        if unknown:
            # Mistyped, it would not be missed.
            known = ", ".join(cls.model_fields)
            raise InvalidOption(f"There is no option {unknown[0][:_SHOWN_LETTERS]!r}. Known are {known}.")
        return given

    @field_validator("*", mode="before")
    @classmethod
    def _read(cls, text: str, info: ValidationInfo) -> str | bool:
        name = info.field_name or ""
        field = cls.model_fields[name]
        if field.annotation is bool:
            return _read_switch(name, text, field.description)
        choices = get_args(field.annotation)
        if choices and text not in choices:
            raise InvalidOption(
                f"There is no {name} {text[:_SHOWN_LETTERS]!r}. Choose one of {', '.join(map(str, choices))}."
            )
        return text


def _read_switch(name: str, text: str, meaning: str | None) -> bool:
    if text not in ("0", "1"):
        raise InvalidOption(f"The option {name} is {text[:_SHOWN_LETTERS]!r}; it can be 1 ({meaning}) or 0.")
    return text == "1"


class PredictOptions(ReadingOptions):
    """How an upload is read, and what is answered."""

    output: Output = Field(
        default="overlay",
        description="what is answered; where it is not given, the Accept header decides between overlay and json",
    )
    wait: bool = _switch(
        "lets the answer wait until a volume is read; it is 202 all the same where too many wait, or it takes too long"
    )
