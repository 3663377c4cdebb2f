"""What all systems share of judging: states, the engine of checks, verdicts and their words.

Each system adds its own state, errors, checks, explanation and findings, in its own folder.
"""
