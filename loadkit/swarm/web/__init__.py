"""Our part in Locust's web UI, and the port for Prometheus."""
