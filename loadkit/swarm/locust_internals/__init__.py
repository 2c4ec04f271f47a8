"""All that reaches into Locust's private parts, so that a new version breaks one place."""
