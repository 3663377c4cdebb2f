"""What the tests of Stork's session share: sessions, updates, and what they say."""

from __future__ import annotations

import json
from typing import Any

from payloads.stork.update import Asset
from payloads.testing import InsecureTestStorkSigner
from payloads.venues.common.redactor import Secret
from payloads.venues.common.session import SECOND, Event, Reply
from payloads.venues.stork import server
from payloads.venues.stork.session import StorkSession

TOKEN = Secret("gmork123")
HERE = "ws://127.0.0.1:4200"
NOW = 1_764_608_698 * SECOND
SIGNER = InsecureTestStorkSigner("venues")


def session(assets: Any = (), **options: Any) -> StorkSession:
    return StorkSession(TOKEN, assets, endpoint=HERE, **options)


def sent(session: StorkSession) -> list[dict[str, Any]]:
    """What the session sends, as the service reads it: anything it refuses fails the test."""
    messages = session.take()
    for message in messages:
        server.read_command(message)
    return [json.loads(message) for message in messages]


def signed(*ids: int, at: int = NOW) -> str:
    update = SIGNER.sign([Asset(number, 5) for number in ids], timestamp_ns=at)
    return json.dumps({"type": "signed_ecdsa", "p": "0x" + update.encode().hex()})


def unsigned(*ids: int) -> str:
    assets = [{"id": number, "v": "5"} for number in ids]
    return json.dumps({"type": "unsigned", "tax": 1, "ts": NOW, "a": assets})


def taxonomy(ids: dict[str, int], taxonomy_id: int = 1) -> Reply:
    """The answer of the REST service with these assets."""
    return Reply("taxonomy", 200, server.taxonomy_body(taxonomy_id, ids))


def kinds(events: list[Event]) -> list[type]:
    return [type(event) for event in events]
