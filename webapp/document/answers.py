"""What the API answers, as models: the document of the API is made from them, and tests hold answers against it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, create_model

from model.findings import Findings
from model.volume.findings import VolumeFindings

FlipDice = Field(
    description="Dice of the lesions in the readings of slice and mirror image, 1.0 where they agree entirely; null "
    "without quality, or where neither has any",
    ge=0.0,
    le=1.0,
)
HexDigest = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the file with the weights")


class Model(BaseModel):
    """Which network answered."""

    id: str = Field(description="its name")
    sha256: str = HexDigest


class Recognised(BaseModel):
    """What the upload looks like, before anybody asks where its lesions are."""

    kind: str = Field(description="the likeliest, such as chest CT")
    refused: bool = Field(
        description="whether it does not look like a chest CT, and was read because of force=1, or as one of several"
    )
    sentence: str = Field(description="what to know of it; empty where it looks as it should")


class Reading(BaseModel):
    """What is said of everything that was read."""

    model: Model
    quality: bool = Field(description="whether four looks were averaged")
    flip_dice: float | None = FlipDice
    recognition: Recognised
    notes: list[str] = Field(description="what is odd about the input, as sentences")
    notice: str = Field(description="that this is for research only")


class SliceReading(Reading):
    """What was found in a slice."""

    threshold: float = Field(gt=0, lt=1)
    measurements: Findings


class SliceFigures(SliceReading):
    """What a slice shows at a threshold."""

    sentence: str = Field(description="the same in a sentence")


class VolumeFigures(Reading):
    """What a volume shows at a threshold, as its page says it."""

    threshold: float = Field(gt=0, lt=1)
    read_at: float = Field(gt=0, lt=1, description="the threshold at which it was read, and its files were made")
    sentence: str = Field(description="the whole in a sentence")
    lines: list[list[str]] = Field(description="the figures of the whole: what each is called, and what it is")
    slices: list[str] = Field(description="the figures of each slice in a sentence, from the feet to the head")
    chart: list[float] = Field(description="the lesion area of each slice in percent of the largest; 4 at the least")
    chart_says: str = Field(description="what the chart shows, in a sentence")


class Pictures(BaseModel):
    """The pictures of a slice as PNG files in base64, at its height and width."""

    overlay: str = Field(description="CT in gray, lesions as heat map; RGB")
    mask: str = Field(description="lesions at the threshold; 8-bit gray, 0 or 255")
    probability: str = Field(description="lesion probability; 16-bit gray, 65535 = 1.0")


class SliceAnswer(SliceReading):
    """What was found in a slice, with its pictures."""

    images: Pictures
    segmented_image: str = Field(description="the mask once more, for clients of earlier systems", deprecated=True)


def _row_of_slice() -> type[BaseModel]:
    """Make the model of one slice of a volume: the fields of `model.volume.rows.SliceRow.as_dict`."""
    figures = [name for name in Findings.__dataclass_fields__ if name != "hounsfield"]
    of_side = ("lung_px", "lesion_px", "lesion_percent_of_lung", "lung_ml", "lesion_ml")
    sides = [f"{side}_{name}" for side in ("right", "left") for name in of_side]
    unknown_at_times: dict[str, Any] = dict.fromkeys([*figures, *sides, "lesion_ml", "lung_ml"], (float | None, ...))
    return create_model(
        "SliceOfVolume",
        __doc__="One slice of a volume; its figures are null where its file is damaged or they are unknown.",
        slice=(int, Field(ge=1, description="its number, from 1 at the feet")),
        image_number=(int | None, Field(description="its number in the series")),
        z_mm=(float | None, Field(description="how high it lies")),
        extent_mm=(float | None, Field(description="how much of the height it stands for")),
        is_read=(bool, Field(description="false where its file is damaged")),
        hounsfield=(bool, Field(description="whether it came in Hounsfield units")),
        **unknown_at_times,
    )


SliceOfVolume = _row_of_slice()


class VolumeMeasurements(BaseModel):
    """What was found in a volume, and in its slices from the feet to the head."""

    volume: VolumeFindings
    slices: list[SliceOfVolume]  # type: ignore[valid-type]  # A class that was made above.
    model: Model
    quality: bool
    flip_dice: float | None = FlipDice
    recognition: Recognised
    notes: list[str]


class VolumeTable(VolumeMeasurements):
    """The file measurements.json of a volume."""

    notice: str = Field(description="that this is for research only")


class PictureOfMany(BaseModel):
    """One of several pictures that were sent at once."""

    name: str
    sentence: str = Field(description="what was found; of a picture that is refused, why")
    recognition: Recognised
    notes: list[str] = Field(description="what is odd about the picture, as sentences")
    page: str = Field(description="address of its page")


class PictureLeft(BaseModel):
    """A file among several pictures that could not be read."""

    name: str
    sentence: str = Field(description="why")


class Problem(BaseModel):
    """What went wrong, by kind."""

    type: str = Field(description="address of the section of the API's page that explains problems of this kind")
    title: str = Field(description="the kind of problem")
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="what is wrong and what to do, in a sentence or two")


class Job(BaseModel):
    """Where a job stands; from "measurements" on once it is done.

    A volume's measurements have "volume" and "slices"; a zip that held one picture has those of a slice.
    """

    state: Literal["queued", "working", "done", "failed"]
    attempts: int = Field(ge=0, description="how often it was begun: twice where its process died")
    slices_done: int = Field(ge=0)
    slices: int | None = Field(description="how many there are; null until that is known")
    seconds_left: int | None = Field(description="about how long the rest takes; null while that is unknown")
    place: int = Field(ge=0, description="place in the queue, from 1; 0 where it does not wait")
    progress: str | None = Field(description="how far it is, in a sentence; null once it has ended")
    page: str = Field(description="address of the result's page")
    sentence: str | None = Field(description="why it failed; null unless it did")
    problem: Problem | None = Field(description="what it failed with, and the status of its page; null unless it did")
    measurements: VolumeMeasurements | Findings | None = None
    files: dict[str, str] | None = Field(default=None, description="addresses of the result's files by name")
    model: Model | None = None
    threshold: float | None = None
    quality: bool | None = None
    flip_dice: float | None = None
    recognition: Recognised | None = None
    notes: list[str] | None = None
    notice: str | None = None
    pictures: list[PictureOfMany] | None = None
    left: list[PictureLeft] | None = None


class Health(BaseModel):
    """That the process lives."""

    status: Literal["ok"]


class Ready(BaseModel):
    """That slices can be read, and by which network."""

    status: Literal["ready"]
    model: Model


class ProblemDetails(Problem):
    """What went wrong (RFC 9457)."""

    instance: str = Field(
        description="urn:uuid: and the request's id, which the header X-Request-ID and the server's log have too"
    )
