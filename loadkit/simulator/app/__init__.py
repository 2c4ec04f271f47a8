"""The service as the network sees it: REST, WebSockets, tokens, the truth log."""
