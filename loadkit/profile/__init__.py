"""One test as a file says it: its tables, the load it asks for, what its people are like.

Pure: nothing here starts anything. Who acts on it is in `loadkit.people` and `loadkit.swarm`."""
