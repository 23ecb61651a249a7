"""Which files are measured. Imports next to nothing: how long imports take is measured, too."""

from __future__ import annotations

import os
from pathlib import Path

from model.card import SHIPPED_WEIGHTS

SERVED_WEIGHTS = Path(os.environ.get("GROUNDGLASS_WEIGHTS", SHIPPED_WEIGHTS))
"""What the server would serve."""

KERAS_WEIGHTS = SHIPPED_WEIGHTS.with_suffix(".weights.h5")
"""The same network for Keras."""
