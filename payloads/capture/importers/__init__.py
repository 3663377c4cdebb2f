"""Frames from the files that people already have: the same `Frame` as live. See `any_file`."""
