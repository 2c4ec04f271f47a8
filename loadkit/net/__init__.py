"""What touches the network: a target, its REST calls, one WebSocket link, and their driver."""
