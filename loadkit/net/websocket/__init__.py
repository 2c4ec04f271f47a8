"""One WebSocket: the upgrade, frames both ways, compression, and stamps of arrival."""
