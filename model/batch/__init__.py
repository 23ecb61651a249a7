"""Thousands of studies: found, read side by side or on a cluster, told of in one table; safe to be killed."""
