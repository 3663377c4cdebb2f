"""What the venues share: the driver contract, sessions, timers, tokens, redaction, records."""
