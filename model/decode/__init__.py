"""Bytes -> CT slices. Every way in which an upload can be unreadable ends here, in a sentence for its sender."""
