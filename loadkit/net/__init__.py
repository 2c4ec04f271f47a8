"""What touches the network: the driver of a session, and what goes wrong with its sockets."""
