"""The course of a long run: windows, drift, incidents and the recovery from them."""
