"""The simulated venues, each in a module of its own."""
