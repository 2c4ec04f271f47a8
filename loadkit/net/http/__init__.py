"""The way to a target and its two REST calls: TCP, TLS, proxies, requests and answers."""
