"""The search for the highest load that keeps the service level, its steps and its result."""
