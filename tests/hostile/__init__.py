"""What hostile targets, hostile clients and damaged files do, as tables: a row is an attack."""
