"""A run's folder: what is written while it runs, read again, and rebuilt after a kill.

How a result looks to a reader is in `loadkit.report`."""
