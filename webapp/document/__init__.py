"""The document of the API, and the page that people read of it."""
