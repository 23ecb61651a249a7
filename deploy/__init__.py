"""Examples of how to run Groundglass in containers and clusters; the Dockerfile replayed without a container."""
