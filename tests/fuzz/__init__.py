"""Coverage-guided fuzzing: what may come out of each entry, whatever bytes go in."""
