"""What arrives: within bounds of time and size, as files and options."""
