"""Every error that a user of Groundglass can cause or meet.

GroundglassError
├── InputError               the upload cannot be read; the sentence is for the person who sent it
│   ├── MissingFile          nothing was sent
│   ├── EmptyFile            the file has no bytes
│   ├── NotAnImage           the bytes are no picture of a supported format
│   ├── NotCt                a medical file, but no CT slice or volume that can be read
│   ├── NotChestCt           a picture or scan, but it does not look like a chest CT
│   ├── DamagedImage         a supported format, but truncated or corrupt
│   ├── TooLarge             more bytes or more pixels than allowed
│   ├── TooSmall             too few pixels, or a side far longer than the other
│   ├── BrokenUpload         the request ended early or is no proper form
│   └── InvalidOption        a threshold or output that does not exist
├── StorageError             the result cannot be kept
├── Busy                     more is being read already than can be read at once
├── Unexplained              nothing was called that could be explained, or the network does not allow it
└── WeightsError             the model file is missing, damaged or does not fit

The sentence says what is wrong, with the value, and what to do. HTTP is none of this module's business.
"""

from __future__ import annotations


class GroundglassError(Exception):
    """Base of all errors with a sentence for the user."""


class InputError(GroundglassError):
    """The upload cannot be read."""


class MissingFile(InputError):
    """Nothing was sent."""


class EmptyFile(InputError):
    """The file has no bytes."""


class NotAnImage(InputError):
    """The bytes are no picture of a supported format."""


class NotCt(InputError):
    """A medical file, but no CT slice or volume that can be read."""


class NotChestCt(InputError):
    """A picture or scan that does not look like a chest CT, and is read only when its sender insists."""


class DamagedImage(InputError):
    """The format is supported, but the file is truncated or corrupt."""


class TooLarge(InputError):
    """More bytes or more pixels than allowed."""


class TooSmall(InputError):
    """Too few pixels, or one side far longer than the other."""


class BrokenUpload(InputError):
    """The request ended early or is no proper form."""


class InvalidOption(InputError):
    """A threshold or an output that does not exist."""


class StorageError(GroundglassError):
    """The result cannot be kept."""


class Busy(GroundglassError):
    """More is being read already than can be read at once; where it is known, in how many seconds to try again."""

    def __init__(self, sentence: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class Unexplained(GroundglassError):
    """Nothing was called that could be explained, or the network does not allow it."""


class WeightsError(GroundglassError):
    """The model file is missing, damaged or does not fit the network."""
