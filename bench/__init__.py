"""The benchmarks: `make bench`, or `python -m bench --help`. See docs/benchmarks.md."""

TEXT = "I ordered the blue kettle on Monday and it has not arrived yet."
"""What is said in an exchange, by loadkit's people and by the peer alike."""
