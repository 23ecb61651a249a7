"""Volumes and several pictures at once: kept as folders, read one after another."""
