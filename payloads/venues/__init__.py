"""One sans-I/O session for each of the five venues.

A session is a plain object: it says where to dial and with which fresh credentials, what to send
next, and turns received messages into typed events. Clock, randomness and secrets are arguments,
so the same session runs under asyncio, in a test, in a replay of a capture and in a fuzzer.
"""
