"""Arrow columns from the field tables: types, and records in arrays of bytes.

It needs the extra `arrow`. `payloads.columns` is the door; each system uses this in its own folder.
"""
