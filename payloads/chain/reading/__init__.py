"""The state of a contract, read from a chain, kept in files, and compared."""
