"""The ABI: field tables and what follows from them, the decoder that mirrors solc, calldata."""
