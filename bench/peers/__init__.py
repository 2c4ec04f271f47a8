"""The scripts of the table's other tools, each in its own words."""
