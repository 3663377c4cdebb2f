"""Calls of verifier proxies while they are made, and the labels of damage to them."""
