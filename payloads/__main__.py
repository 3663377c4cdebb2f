"""`python -m payloads`: the command line."""

from payloads.cli.main import main

main(prog_name="payloads")
