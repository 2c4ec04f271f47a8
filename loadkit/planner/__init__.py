"""`loadkit plan`: a deployment and the load that it is to carry, by arithmetic alone."""
