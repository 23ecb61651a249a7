"""A slice with its answer -> figures: counts, curves, distances, calibration, trust."""
