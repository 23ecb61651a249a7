"""A volume that was read -> files that other programs open."""
