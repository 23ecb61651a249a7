from __future__ import annotations

import pytest

from model.errors import InvalidOption
from webapp.uploads.options import PredictOptions, ReadingOptions


def test_what_is_not_given_has_its_default() -> None:
    switches = dict.fromkeys(("quality", "picture", "patient", "force", "wait"), False)
    assert PredictOptions.model_validate({}).model_dump() == {"threshold": 0.5, "output": "overlay", **switches}


def test_values_are_read_from_text() -> None:
    options = PredictOptions.model_validate({"threshold": "0.25", "quality": "1", "output": "mask", "wait": "0"})
    assert (options.threshold, options.quality, options.output, options.wait) == (0.25, True, "mask", False)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"threshold": ""}, "The threshold '' is not a number above 0 and below 1. Try 0.5."),
        ({"threshold": "1_0e-2"}, "The threshold '1_0e-2' is not a number above 0 and below 1. Try 0.5."),
        ({"threshold": "٠.٥"}, "The threshold '٠.٥' is not a number above 0 and below 1. Try 0.5."),
        ({"quality": "2"}, r"The option quality is '2'; it can be 1 \(averages four looks.*\) or 0\."),
        ({"wait": "yes" * 20}, "The option wait is 'yesyesyesyesyesyesye'; it can be 1"),
        ({"output": "dicom"}, "There is no output 'dicom'. Choose one of overlay, mask, probability, json."),
        ({"thresold": "0.4"}, "There is no option 'thresold'. Known are threshold, quality, picture, patient, "),
    ],
)
def test_what_cannot_be_read_has_its_sentence(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidOption, match=sentence):
        PredictOptions.model_validate(given)


def test_pages_know_no_output() -> None:
    with pytest.raises(InvalidOption, match="There is no option 'output'"):
        ReadingOptions.model_validate({"output": "mask"})


def test_the_schema_says_what_is_sent_on_the_wire() -> None:
    schema = PredictOptions.model_json_schema()["properties"]
    assert (schema["quality"]["type"], schema["quality"]["enum"], schema["quality"]["default"]) == (
        "string",
        ["0", "1"],
        "0",
    )
    assert (schema["threshold"]["exclusiveMinimum"], schema["threshold"]["exclusiveMaximum"]) == (0.0, 1.0)
    assert schema["output"]["enum"] == ["overlay", "mask", "probability", "json"]
