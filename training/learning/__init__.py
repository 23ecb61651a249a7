"""Configuration, loss, averaged weights, and trained networks at work."""
