"""Fixtures for pytest, in every project where the library is installed.

pytest imports this module at each start. So it imports nothing heavy: each fixture imports what it
needs when a test asks for it.
"""
