"""Strategies for Stork Fast: signers, updates, states, and calls of its contracts."""
