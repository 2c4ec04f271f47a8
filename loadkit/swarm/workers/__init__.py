"""The master's side of its workers: who is in, who has which share, who has handed over."""
