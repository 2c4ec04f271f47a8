"""What each row of the conversation's table does: a handler a function, a subject a module."""
