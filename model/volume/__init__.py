"""A volume, slice by slice: its lesions, kept as files, and what they amount to."""
