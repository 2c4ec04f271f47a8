"""What is said and owed: turns, their answers whole or in chunks, and the waits for them."""
