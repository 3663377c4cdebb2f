"""The real-EVM lane: published contracts and solc's own decoder, run in pyrevm.

Nothing of the vendors' is kept here: `build.py` fetches and compiles it at test time into
`.cache/onchain/`. Run with `PAYLOADS_ONCHAIN=1`; see `README.md` beside this file.
"""
