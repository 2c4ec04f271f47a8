"""Runs to compare."""

from tests.report.conftest import examples, make

__all__ = ["examples", "make"]
