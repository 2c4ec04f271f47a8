"""Two runs side by side, or several in a row: what changed, and whether by more than noise."""
