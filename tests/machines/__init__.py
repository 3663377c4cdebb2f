"""The state machines: our own guard and sessions hold under them, and planted bugs are found."""
