"""What a run's files tell while it goes on, and what is made of them once it was killed."""
