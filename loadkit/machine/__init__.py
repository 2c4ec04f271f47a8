"""What this machine gives a process, and who ends with whom. No judgement of a load."""
