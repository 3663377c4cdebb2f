"""The measured programs. Each runs in a process of its own; see `loop.py` for how they talk."""
