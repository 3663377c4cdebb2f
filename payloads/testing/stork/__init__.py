"""Calls of Stork Fast contracts while they are made, and the labels of damage to them."""
