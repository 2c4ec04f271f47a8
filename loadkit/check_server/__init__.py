"""`loadkit check-server`: what a server does and does not do of the protocol, without load."""
