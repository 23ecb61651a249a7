"""The learning rate by step."""

from __future__ import annotations

import math
from typing import Any

import keras


@keras.saving.register_keras_serializable("groundglass")
class CosineWithWarmup(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Rise linearly from 0 to `peak` in `warmup_steps`, then fall to 0 along half a cosine until `steps`."""

    def __init__(self, peak: float, steps: int, warmup_steps: int) -> None:
        self.peak, self.steps, self.warmup_steps = peak, steps, warmup_steps

    def __call__(self, step: Any) -> Any:  # noqa: D102  (the class says it)
        step = keras.ops.cast(step, "float32")
        rising = (step + 1.0) / max(1, self.warmup_steps)
        progress = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        falling = 0.5 * (1.0 + keras.ops.cos(math.pi * keras.ops.clip(progress, 0.0, 1.0)))
        return self.peak * keras.ops.where(step < self.warmup_steps, rising, falling)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {"peak": self.peak, "steps": self.steps, "warmup_steps": self.warmup_steps}
