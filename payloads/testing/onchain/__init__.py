"""The contracts that verify payloads, in an EVM (extra `onchain`).

Chainlink's are the published ones, fetched by npm and compiled on the user's machine. Stork's are
in no package registry: there `contracts/` has models of our own, written from their behaviour and
held against recorded calls of the real contracts. `payloads.testing.deployed` is the way in.
"""
