"""Manifest -> samples -> batches: reading, splitting, mixing, augmenting."""
