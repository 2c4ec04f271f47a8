"""What keeps secrets in, hostile texts harmless, and files within bounds.

Every text of others and every file of a user's passes through here; see docs/security.md."""
