"""Keepers in under 60 lines each; `docs/keepers.md` explains them, and the tests run them."""
