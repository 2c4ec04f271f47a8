"""The side that loads: what one worker process does during a run, and measures of itself."""
