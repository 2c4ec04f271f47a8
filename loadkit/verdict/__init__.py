"""What a run comes to: its objectives, whether it may be believed, and the frozen summary."""
