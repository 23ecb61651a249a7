"""The web application: pages, API, results that expire."""
