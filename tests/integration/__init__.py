"""What needs real processes, sockets and clocks."""
