"""The floor with sockets and files: what a chain knows, asked over JSON-RPC.

`transport.chain.fetch_state` reads a state from a chain at one block; `transport.guard` stands in
front of `send_transaction`. Both take a URL, a `Web3` or a provider of web3.py (the extra `rpc`);
importing them does not import web3.
"""
