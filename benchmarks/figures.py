"""What was measured several times -> median, spread and count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Figures = dict[str, Any]
"""Names to numbers, texts, None, and the same again: what JSON holds."""


def spread(values: Sequence[float], *, times: float = 1.0) -> Figures:
    """Return median, quartiles, extremes and count of values, each multiplied first: 1000.0 makes ms of seconds.

    Raises
    ------
    ValueError : there is no value.

    >>> spread([1.0, 2.0, 3.0, 6.0, 8.0])
    {'median': 3.0, 'p25': 2.0, 'p75': 6.0, 'min': 1.0, 'max': 8.0, 'count': 5}
    """
    if not values:
        raise ValueError("values is empty: nothing was measured")
    at = np.percentile(np.array(values, np.float64) * times, (50, 25, 75, 0, 100)).tolist()
    return dict(zip(("median", "p25", "p75", "min", "max"), at, strict=True)) | {"count": len(values)}
