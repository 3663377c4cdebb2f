"""A transaction after the fact: what was called, and what the contract decided."""
