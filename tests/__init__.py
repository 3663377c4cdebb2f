"""The tests of `payloads`. `README.md` in `fixtures/` says where their data comes from."""
