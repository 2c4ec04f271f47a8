"""A frozen `Summary` and what to make of it: on a terminal, in Markdown, for CI systems."""
