"""A module for each target, with a `TARGET`."""
