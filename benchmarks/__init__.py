"""Measurements that take minutes, each with a make target: what they write goes to docs/."""
