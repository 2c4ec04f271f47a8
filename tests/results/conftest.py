"""Summaries to write down and to read again."""

from tests.report.conftest import examples, make

__all__ = ["examples", "make"]
