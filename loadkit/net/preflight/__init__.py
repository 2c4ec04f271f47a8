"""Before any load: who answers at the target, and whether it may have our secret."""
