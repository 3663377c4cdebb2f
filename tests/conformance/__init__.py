"""The conformance corpus: the script that makes it, the runners of decoders, and its tests."""
