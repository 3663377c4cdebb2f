"""Strategies for what the venues send: frames, REST replies, and captures of frames."""
