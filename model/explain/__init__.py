"""Which parts of a slice made the network call a lesion."""
