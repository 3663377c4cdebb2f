"""Decoders that read the corpus and answer: a JSON object a line, as the corpus' README says."""
