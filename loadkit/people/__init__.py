"""One person: what they do and when, from what they have just heard.

How people are is a table of the profile; what the conversation makes of it is in `loadkit.chat`."""
