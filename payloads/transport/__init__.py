"""The floor with sockets and files.

Live connections: `client` drives any venue session over a websocket, `capture` keeps what went over
the wire, `readers` and `playback` give it back (the extra `live`). What a chain knows:
`chain.fetch_state` reads a state at one block over JSON-RPC, and `guard` stands in front of
`send_transaction` (the extra `rpc`). Importing these modules imports neither websockets nor web3.
"""
