"""A result as it is looked at: drawn, measured and explained at any threshold."""
