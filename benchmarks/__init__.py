"""How fast this library is, next to what one would otherwise use.

`python -m benchmarks` from the root of the repository measures three things on one published
report and prints one table for each:

* decode: one v3 report with six signatures, hex string in, every field out;
* recover: the signer of one signature, and of all six;
* keccak: keccak-256 of the 128 bytes whose hash the oracles sign.

Every row is a process of its own, started once and kept. Rounds interleave (A B C A B C ...), so
that a machine that slows down slows everybody down; each round gives one ratio per row, and the
table shows the median of those ratios first and the median time second. A row whose decoded values
differ from the published ones is not compared at all, and the run fails.

Rivals are installed into `.cache/bench/`, at pinned versions, and never into the environment that
runs this. What a machine lacks is named in the table and is not an error. See `README.md` here.
"""
