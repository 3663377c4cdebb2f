"""The demo of `make demo`. It is part of the repository and not of the installed package."""
