"""The JSON text of usual payloads in one pass, by generated code: the text of what `to_dict` gives.

Usual is what an honest encoder writes, in a schema that is published, with no negative number. A
payload of any other kind has no text here, nor has a frame that contradicts its payload: `to_dict`
and the notes say what there is to say. The code is generated for each size and schema, as readers
are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from payloads.abi.fields import WORD, Field, Source, Table
from payloads.chainlink.frames import CLAIMS, PlainReport, plain_report
from payloads.chainlink.report import CONTEXT, don_id, usual_shape, whole_source
from payloads.crypto import checksum, keccak256, recover_many
from payloads.inputs import unhex

# A payload, what its frame says of it, and whether to recover the signers.
Writer = Callable[[bytes, "PlainReport | None", bool], "str | None"]
# A frame with more characters is no usual one.
_MOST = 2**16


def text_of_frame(frame: str | bytes, signers: bool) -> str | None:
    """The JSON object of the payload in a frame with the usual members."""
    if len(frame) > _MOST or (report := plain_report(frame)) is None:
        return None
    try:
        raw = unhex(report.fullReport)
    except ValueError:
        return None
    return text_of(raw, signers, report)


def text_of(raw: bytes, signers: bool, claims: PlainReport | None = None) -> str | None:
    """The JSON object of a payload. None where it is not usual, or not what the frame says."""
    write = _writer(*usual_shape(raw))
    return None if write is None else write(raw, claims, signers)


@lru_cache(maxsize=1024)
def _writer(size: int, length: bytes, table: Table | None) -> Writer | None:
    """A writer for payloads of this size, with a report of this length and table."""
    if table is None or (source := whole_source(size, length, table)) is None:
        return None
    count = len(source.rs)
    if count > WORD:  # raw_vs has no byte for some of them
        return None
    record: Any = table.make
    report, context = _members(table, source.report, "f"), _members(CONTEXT, source.context, "c")
    order = [report[name] for name in record.__struct_fields__]
    text = ",".join((
        '"system":"chainlink","form":"full_report"',
        f'"schema_version":{record.schema.version},"schema":"{record.schema.key}"',
        *order,
        *context.values(),
        '"sequence":{c2 << 8 | c3},"don_id":{don_id(c4)}',
        f'"rs":[{_words(source.rs)}],"ss":[{_words(source.ss)}],"raw_vs":"0x{{vs.hex()}}"',
        '"report_hash":"0x{hashed.hex()}","signing_digest":"0x{digest.hex()}"',
    ))  # fmt: skip
    code = f"""
def write(raw, claims, signers):
    {source.code}
    if vs[{count}:] != SPARE or claims is not None and ({_contradiction(table)}):
        return None
    hashed = keccak256(blob)
    digest = keccak256(hashed + raw[:96])
    text = f'{text}'
    if not signers:
        return "{{" + text + "}}"
    return "{{" + text + signed(digest, ({_listed(source.rs)}), ({_listed(source.ss)}), vs) + "}}"
"""
    scope = source.scope | {
        "SPARE": bytes(WORD - count),
        "keccak256": keccak256,
        "don_id": _don_id,
        "signed": _signers,
        "null": _null,
    }
    exec(code, scope)
    write: Writer = scope["write"]
    return write


def _members(table: Table, source: Source, prefix: str) -> dict[str, str]:
    """The members of the JSON object that a table's fields are, absent fields among them."""
    found = dict.fromkeys(table.absent, "null")
    for index, row in enumerate(table.fields):
        found[row.name] = _value(row, f"{prefix}{index}", source.results[row.name])
    return {name: f'"{name}":{value}' for name, value in found.items()}


def _value(row: Field, name: str, result: str) -> str:
    if row.type.kind == "bytes":
        return f'"0x{{{name}.hex()}}"'
    if row.none is not None:
        return f"{{null({result}, {row.type.wide})}}"
    return f'"{{{result}}}"' if row.type.wide else f"{{{result}}}"


def _null(value: int | None, wide: bool) -> str:
    return "null" if value is None else f'"{value}"' if wide else str(value)


def _words(names: Sequence[str]) -> str:
    return ",".join(f'"0x{{{name}.hex()}}"' for name in names)


def _listed(names: Sequence[str]) -> str:
    return ", ".join((*names, ""))


def _contradiction(table: Table) -> str:
    """The condition under which a frame says something else than the signed bytes."""
    tests = ["False"]
    places = {row.name: f"f{index}" for index, row in enumerate(table.fields)}
    for claim, name in CLAIMS.items():
        if name in places:
            at = places[name]
            test = f"claims.{claim} != {at}"
            if claim == "feedID":
                test = f"claims.{claim}.lower() != '0x' + {at}.hex()"
            tests.append(test)
    return " or ".join(tests)


@lru_cache(maxsize=1024)
def _don_id(extra_hash: bytes) -> str:
    found = don_id(extra_hash)
    return "null" if found is None else str(found)


def _signers(digest: bytes, rs: Sequence[bytes], ss: Sequence[bytes], vs: bytes) -> str:
    found = recover_many([digest] * len(rs), rs, ss, vs[: len(rs)])
    texts = ["null" if signer is None else f'"{checksum(signer)}"' for signer in found]
    return f',"signers":[{",".join(texts)}]'
