"""The reference page of all layouts, made from the field tables.

python -m payloads.reference docs/schemas.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from payloads.chainlink.report import CONTEXT, FULL_REPORT
from payloads.chainlink.schemas import SCHEMAS, Schema
from payloads.stork.update import ASSETS, BODIES, PLAIN, SIGNATURE, VERSIONED

_HEAD = """\
# Layouts

Made from the field tables by `make docs`: do not edit. Offsets are from the start of each table.
Integers are big-endian. A unit of *price* carries as many decimals as its stream defines, which the
payload does not say.
"""


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join([_HEAD, *_chainlink(), *_stork()])


def _chainlink() -> Iterator[str]:
    yield "## Chainlink Data Streams\n"
    yield "### The signed payload (`fullReport`)\n"
    types = ", ".join(f"{argument.type} {argument.name}" for argument in FULL_REPORT)
    yield f"`abi.encode({types})`, where `context` is\n\n{CONTEXT.markdown()}\n"
    yield "and byte i of `raw_vs` is the recovery id of signature i.\n"
    for schema in SCHEMAS.values():
        yield _schema(schema)


def _schema(schema: Schema) -> str:
    prefix = f"feed IDs that begin 0x{schema.prefix.hex()}, {schema.size} bytes"
    inferred = f"\n*{schema.inferred}.*\n" if schema.inferred else ""
    return f"### {schema.key}: {schema.title}\n\n{prefix}\n{inferred}\n{schema.table.markdown()}\n"


def _stork() -> Iterator[str]:
    yield "## Stork Fast\n"
    yield f"### The signature of a `signed_ecdsa` payload\n\n{SIGNATURE.markdown()}\n"
    yield f"### Body, plain layout\n\n{BODIES[PLAIN].markdown()}\n"
    yield f"then for each asset\n\n{ASSETS[1].markdown()}\n"
    yield f"### Body, versioned layout\n\n{BODIES[VERSIONED].markdown()}\n"
    yield f"then for each asset, as far as the mask has them\n\n{ASSETS[3].markdown()}\n"


def main(path: str) -> None:
    """Write the page to a file."""
    Path(path).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
