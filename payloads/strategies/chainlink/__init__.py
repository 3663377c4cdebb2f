"""Strategies for Data Streams: reports, networks, payloads, states, and calls of its proxies."""
