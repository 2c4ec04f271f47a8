"""What goes wrong on purpose, and what gets worse with time."""
