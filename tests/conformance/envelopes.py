"""Cases of the signed payload of Data Streams: what is in it, and how Solidity decodes it."""

from __future__ import annotations

import itertools
import json

from payloads.conformance import ACCEPTABLE, VALID
from payloads.crypto import keccak256
from tests.conformance import building as b
from tests.conformance import layouts
from tests.conformance.building import (
    BAD,
    EMPTY,
    FEED,
    FEED_V1,
    V04,
    V05,
    V051,
    File,
    everywhere,
    hexed,
    report,
    several,
    signed,
    with_word,
    word_at,
)
from tests.conformance.published import published
from tests.conformance.states import LARGE
from tests.onchain import rules

HEAD = 224
REPORT_AT, RS_AT, SS_AT, VS_AT = 96, 128, 160, 192
TAILS = (("report", REPORT_AT), ("rs", RS_AT), ("ss", SS_AT))
# Not signed as it is encoded: decoding goes well, and then no signature fits.
_BROKEN = everywhere(BAD)


def not_found(digest: bytes) -> b.Calls:
    """The proxy does not know the digest; v0.4.0 does not read it."""
    data = b.error("VerifierNotFound(bytes32)", digest)
    return everywhere(data, v4=None, odd=V04)


def inactive_v3(feed: bytes, digest: bytes = b.NETWORK.config_digest) -> bytes:
    """v0.3.0 has no config of this feed and digest."""
    return b.error("DigestInactive(bytes32,bytes32)", feed, digest)


def add_parts(file: File) -> None:
    """The parts of a payload, each with its edges."""
    file.payload("Canonical Good", "a report that two of four oracles signed", signed().raw)
    file.payload(
        "Canonical Good", "eleven signatures of a network of 31",
        signed(by=range(11), network=LARGE).raw, everywhere(state="large"),
    )  # fmt: skip
    for prefix in ("0006", "0009", "f100", "ffff"):
        digest = bytes.fromhex(prefix) + b"some config".ljust(30, b"\0")
        file.payload("ConfigDigest VerifierNotFound DigestUnread", f"a digest 0x{prefix}…",
                     signed(digest=digest).raw, not_found(digest))  # fmt: skip
    for sequence, words in (
        (0, "epoch 0, round 0"),
        (255, "epoch 0, round 255"),
        (256, "epoch 1, round 0"),
        (2**40 - 1, "the last epoch and round"),
    ):
        file.payload("EpochAndRound", words, signed(sequence=sequence).raw)
    for padding in (b"\xff" * 27, b"\x80" + bytes(26), bytes(26) + b"\1"):
        file.payload("ContextPadding", f"padding 0x{padding.hex()} before the epoch",
                     signed(padding=padding).raw)  # fmt: skip
    for extra in (bytes(32), (2**32 - 1 << 32 | 1).to_bytes(32, "big"), b"\xff" * 32):
        file.payload("ExtraHash", f"word 2 is 0x{extra.hex()}", signed(extra=extra).raw)


def add_signatures(file: File) -> None:
    """What the signatures of a payload may look like, as far as decoding goes."""
    for spare in (b"\1", b"\x1b", b"\xff" * 30, bytes(29) + b"\1"):
        made = signed()
        made.vs += spare
        file.payload("SpareVs", f"rawVs goes on with 0x{spare.hex()} behind two signatures",
                     made.raw)  # fmt: skip
    for by in ((1, 0), (3, 0), (0, 3), (2, 1)):
        file.payload("SignatureOrder", f"signed by oracles {by[0]} and {by[1]}", signed(by=by).raw)
    for by in ((0, 1), (2, 3), (1, 2)):
        file.payload("SameReportOtherSigners", f"one report, signed by oracles {by[0]}, {by[1]}",
                     signed(sequence=4_000, by=by).raw)  # fmt: skip
    for feed in (FEED, FEED_V1):
        blob = report(feed)
        file.payload("SharedSequence", f"sequence 5000 of feed 0x{feed[:8].hex()}…",
                     signed(blob, sequence=5_000).raw)  # fmt: skip
    prefix = b"\x19Ethereum Signed Message:\n32"
    for words, hashed in (
        ("signed with the prefix of EIP-191", lambda digest: keccak256(prefix + digest)),
        ("signed over the hash of the digest", keccak256),
        ("signed over the hash of the report alone", lambda digest: keccak256(report())),
    ):
        file.payload("SigningDigest UnknownSigner", words, signed(hashed=hashed).raw, _BROKEN)


def add_wire_forms(file: File) -> None:
    """Text, frames and Snappy around a good payload."""
    raw = signed().raw
    known = File("unused").payload("Canonical", "", raw)
    same = {"result": VALID, "canonical": True, "decoded": known.decoded, "signers": known.signers}
    for words, text in (
        ("lower case with 0x", "0x" + raw.hex()),
        ("lower case without 0x", raw.hex()),
        ("upper case with 0x", "0x" + raw.hex().upper()),
        ("upper case without 0x", raw.hex().upper()),
    ):
        file.add("HexText", words, form="text", input=text, **same)
    file.add("HexText", "a digit is missing", form="text", input="0x" + raw.hex()[:-1],
             result="invalid")  # fmt: skip
    file.add("HexText", "a letter is no digit", form="text", input="0x" + raw.hex()[:-1] + "g",
             result="invalid")  # fmt: skip
    file.add("Snappy", "literals only, as an encoder without matches writes them", form="snappy",
             input=hexed(_snappy(raw)), **same)  # fmt: skip
    file.add("Snappy", "the stream ends within a literal", form="snappy",
             input=hexed(_snappy(raw)[:-1]), result="invalid")  # fmt: skip
    for words, feed in (
        ("the feed of another schema", b"\x00\x04" + FEED[2:]),
        ("another feed of the same schema", b"\x00\x03" + b"someone else".ljust(30, b"\0")),
    ):
        frame = {"feedID": hexed(feed), "fullReport": hexed(raw),
                 "validFromTimestamp": b.OBSERVED, "observationsTimestamp": b.OBSERVED}  # fmt: skip
        file.add("FrameContradicts", f"the frame names {words}", form="frame",
                 input=json.dumps({"report": frame}), **same | {"result": ACCEPTABLE})  # fmt: skip


def _snappy(raw: bytes) -> bytes:
    """Raw Snappy of literals: the size as a varint, then runs of bytes."""
    size, out = len(raw), b""
    while size > 127:
        out, size = out + bytes([size & 127 | 128]), size >> 7
    out += bytes([size])
    for at in range(0, len(raw), 256):
        run = raw[at : at + 256]
        out += bytes([60 << 2, len(run) - 1]) + run
    return out


# --- heads, offsets, lengths ----------------------------------------------------------------------


def add_heads(file: File) -> None:
    """Fewer bytes than the head, from none up."""
    raw = signed().raw
    for size in (0, 1, 31, 32, 96, 128, 160, 223, 224, 256, len(raw) - 33, len(raw) - 1):
        word = raw[:size].ljust(32, b"\0") if size < 32 else b""
        data = b.error("VerifierNotFound(bytes32)", word) if word else EMPTY
        flags = "ShortHead" + (" StubDigest" if word else "")
        if size >= HEAD:
            flags = "OffsetPastEnd" if size == HEAD else "LengthPastEnd"
        file.payload(flags, f"the first {size} bytes of a good payload", raw[:size],
                     everywhere(data, v4=EMPTY))  # fmt: skip


def add_offsets(file: File) -> None:
    """Offsets that are too large, at the very end, and where no encoder would put them."""
    raw = signed().raw
    for name, at in TAILS:
        for words, offset in (
            ("is 2^64", 2**64),
            ("is 2^64 + 224", 2**64 + HEAD),
            ("is 2^255", 2**255),
            ("is 2^256 - 1", 2**256 - 1),
            ("is as at first, with the highest bit set", 2**255 + word_at(raw, at)),
        ):
            file.payload("OffsetTooLarge", f"the offset of {name} {words}",
                         with_word(raw, at, offset))  # fmt: skip
        for words, offset in (
            ("is the size", len(raw)),
            ("leaves 31 bytes", len(raw) - 31),
            ("is 2^64 - 1", 2**64 - 1),
            ("is 2^63", 2**63),
            ("is 2^31", 2**31),
        ):
            file.payload("OffsetPastEnd", f"the offset of {name} {words}",
                         with_word(raw, at, offset))  # fmt: skip
        file.payload("OffsetPastEnd LengthTooLarge",
                     f"the offset of {name} leaves 32 bytes, the last word, as its length",
                     with_word(raw, at, len(raw) - 32))  # fmt: skip
    _add_moved(file)
    _add_into_head(file)
    file.payload("Overlap", "ss are the words of rs", with_word(raw, SS_AT, word_at(raw, RS_AT)),
                 _BROKEN)  # fmt: skip
    file.payload("Overlap EmptyTails", "report, rs and ss are one empty tail",
                 _heads(raw, HEAD, HEAD, HEAD) + bytes(32), _no_signatures())  # fmt: skip


def _heads(raw: bytes, *offsets: int) -> bytes:
    made = raw[:HEAD]
    for (_, at), offset in zip(TAILS, offsets, strict=True):
        made = with_word(made, at, offset)
    return made


def _tails(raw: bytes) -> list[bytes]:
    starts = [word_at(raw, at) for _, at in TAILS]
    return [raw[start:end] for start, end in itertools.pairwise([*starts, len(raw)])]


def _placed(raw: bytes, order: str, gap: bytes = b"") -> bytes:
    """The payload with its tails in another order, and bytes in front of each."""
    tails, places, body = dict(zip("brs", _tails(raw), strict=True)), {}, b""
    for name in order:
        body += gap
        places[name] = HEAD + len(body)
        body += tails[name]
    return _heads(raw, *(places[name] for name in "brs")) + body


def _add_moved(file: File) -> None:
    raw = signed().raw
    for order, words in (
        ("rsb", "rs, ss, report"),
        ("srb", "ss, rs, report"),
        ("sbr", "ss, report, rs"),
    ):
        file.payload("OutOfOrder", f"the tails stand as {words}", _placed(raw, order))
    for gap in (bytes(32), bytes(64), b"\xee" * 32):
        file.payload("Gap", f"{len(gap)} bytes 0x{gap[:1].hex()}… before each tail",
                     _placed(raw, "brs", gap))  # fmt: skip
    for gap in (b"\0", b"\xee" * 5, bytes(31)):
        file.payload("OffsetUnaligned Gap", f"{len(gap)} bytes before each tail",
                     _placed(raw, "brs", gap))  # fmt: skip


def _add_into_head(file: File) -> None:
    """The report's offset leads into the head, which is then signed as the report.

    Its length is the offset itself: 96 bytes, the words of the two other offsets and of rawVs.
    """
    # The words say which recovery ids the signatures over them have: tried until they do.
    made = next(filter(_says_its_vs, map(_over_the_head, itertools.count())))
    tails = [b"".join([layouts.word(2), *made.rs]), b"".join([layouts.word(2), *made.ss])]
    raw = b"".join(made.context) + layouts.word(96) + made.blob + b"".join(tails)
    calls = everywhere(v3=inactive_v3(made.blob[:32]), v4=EMPTY)
    file.payload("OffsetIntoHead Overlap ReportUninspected",
                 "the report is the head's own words, and signed as such", raw, calls)  # fmt: skip
    good = signed().raw
    for name, at in TAILS:
        for offset in (64, at):
            made_up = with_word(good, at, offset)
            file.payload("OffsetIntoHead", f"the offset of {name} is {offset}, in the head",
                         made_up, _decoded_then_broken(made_up))  # fmt: skip


def _over_the_head(number: int) -> b.Signed:
    """The offsets of rs and ss and a rawVs, signed under a sequence of its own."""
    guess = ((0, 0), (0, 1), (1, 0), (1, 1))[number % 4]
    blob = layouts.word(HEAD) + layouts.word(HEAD + 96) + layouts.word(bytes(guess))
    return signed(blob, sequence=number)


def _says_its_vs(made: b.Signed) -> bool:
    return made.blob[64:66] == made.vs


def _decoded_then_broken(raw: bytes) -> b.Calls | bool:
    """The answers to a payload whose parts are read from odd places, and so not signed."""
    try:
        context, blob, rs, ss, vs = rules.full(raw)
    except rules.Refused:
        return True
    count, other = len(rs) // 32, len(ss) // 32
    feed = blob[:32].ljust(32, b"\0")
    mismatch = b.error("MismatchedSignatures(uint256,uint256)", count, other)
    old = BAD if count == other else mismatch
    if count != 2:
        old = b.error("IncorrectSignatureCount(uint256,uint256)", count, 2)
    v4 = mismatch if count != other else BAD
    found = b.signers_of(context, blob, rs, ss, vs)
    if count == other and len(set(found)) == count and not _has_times(blob):
        v4 = EMPTY
    v3 = old if feed in (FEED, FEED_V1) else inactive_v3(feed, raw[:32])
    return everywhere(old, v3=v3, v4=v4)


def _has_times(blob: bytes) -> bool:
    try:
        rules.static(blob, ("bytes32", "uint32", "uint32"))
    except rules.Refused:
        return False
    return True


def _no_signatures() -> b.Calls:
    data = b.error("IncorrectSignatureCount(uint256,uint256)", 0, 2)
    return everywhere(data, v3=inactive_v3(bytes(32)), v4=b.error("NoSigners()"))


def add_lengths(file: File) -> None:
    """Lengths around the sizes at which Solidity's answer changes."""
    raw = signed().raw
    free = {"report": 0xE0, "rs": 0x100 + 288, "ss": 0x120 + 288 + 64}
    for name, at in TAILS:
        start = word_at(raw, at)
        unit = 1 if name == "report" else 32
        most = 2**64 - 64 - free[name] if unit == 1 else 2**59 - 2 - free[name] // 32
        room = (len(raw) - start - 32) // unit
        for words, length in (("2^64", 2**64), ("2^128", 2**128), ("2^256 - 1", 2**256 - 1)):
            file.payload("LengthTooLarge", f"the length of {name} is {words}",
                         with_word(raw, start, length))  # fmt: skip
        for words, length in (
            ("the first whose allocation fails", most + 1),
            ("2^64 - 1", 2**64 - 1),
        ):
            file.payload("LengthAllocation", f"the length of {name} is {words}",
                         with_word(raw, start, length))  # fmt: skip
        for words, length in (
            ("the last whose allocation goes well", most),
            ("one more than there is room for", room + 1),
            ("2^31", 2**31),
            ("2^32", 2**32),
            ("2^53", 2**53),
            ("2^58", 2**58),
        ):
            file.payload("LengthPastEnd", f"the length of {name} is {words}",
                         with_word(raw, start, length))  # fmt: skip
    file.payload("LengthPastEnd", "the length of the report is 2^63, more than an int64 holds",
                 with_word(raw, HEAD, 2**63))  # fmt: skip
    longer = with_word(raw, HEAD, len(raw) - HEAD - 32)
    file.payload("Overlap ChangedAfterSigning", "the report is as long as there is room",
                 longer, _decoded_then_broken(longer))  # fmt: skip
    _add_tail_order(file, raw)


def _add_tail_order(file: File, raw: bytes) -> None:
    bad_rs = with_word(raw, word_at(raw, RS_AT), 2**64)
    for words, made in (
        ("the offset of the report and the length of rs are bad",
         with_word(bad_rs, REPORT_AT, 2**64)),
        ("the length of the report and the offset of rs are bad",
         with_word(with_word(raw, HEAD, 2**64), RS_AT, 2**64)),
        ("the length of rs is a panic, and the offset of ss is bad",
         with_word(bad_rs, SS_AT, len(raw))),
        ("the offset of rs is bad, and the length of ss is a panic",
         with_word(with_word(raw, word_at(raw, SS_AT), 2**64), RS_AT, len(raw))),
    ):  # fmt: skip
        file.payload("TailOrder", words, made)


def add_paddings(file: File) -> None:
    """Bytes that nothing reads: behind the payload, and beside the report."""
    raw = signed().raw
    for spare in (b"\0", bytes(32), b"\xff", b"\xab" * 33, b"payloads" * 100):
        words = f"{len(spare)} bytes 0x{spare[:2].hex()}… behind a good payload"
        file.payload("TrailingBytes", words, raw + spare)
    odd = signed(report() + b"\xaa" * 5)
    end = HEAD + 32 + 293
    for spare in (b"\1" + bytes(26), bytes(26) + b"\1", b"\xff" * 27):
        made = odd.raw[:end] + spare + odd.raw[end + 27 :]
        file.payload("DirtyPadding ReportTrailing", f"the padding is 0x{spare.hex()}", made)
    for left in (0, 1, 26):
        placed = _placed(odd.raw, "rsb")
        made = placed[: len(placed) - 27 + left]
        file.payload("MissingPadding OutOfOrder ReportTrailing",
                     f"the report is the last tail and has {left} of 27 bytes of padding",
                     made)  # fmt: skip
    few = signed(by=())
    file.payload("EmptyTails SignatureCount NoSigners", "a report without signatures", few.raw,
                 everywhere(b.error("IncorrectSignatureCount(uint256,uint256)", 0, 2),
                            v4=b.error("NoSigners()")))  # fmt: skip
    file.payload("EmptyTails ReportUninspected", "signatures of an empty report", signed(b"").raw,
                 everywhere(v3=inactive_v3(bytes(32)), v4=EMPTY,
                            odd=f"{V05} {V051}"))  # fmt: skip
    for change, rs, ss in (("an s", 2, 1), ("an r", 1, 2), ("both r", 0, 2)):
        made_up = signed()
        made_up.rs, made_up.ss = made_up.rs[:rs], made_up.ss[:ss]
        mismatch = b.error("MismatchedSignatures(uint256,uint256)", rs, ss)
        count = b.error("IncorrectSignatureCount(uint256,uint256)", rs, 2)
        file.payload("UnequalCounts MismatchedSignatures CountFirst MismatchFirst",
                     f"{change} missing: {rs} r, {ss} s", made_up.raw,
                     everywhere(mismatch if rs == 2 else count, v4=mismatch))  # fmt: skip


def add_published(file: File) -> None:
    """Payloads of real networks, whose configs no state here has."""
    for name, raw in published("full_report"):
        file.payload("Published Canonical", f"published: {name}", raw, several())


def envelopes() -> File:
    """The cases of the payload."""
    file = File("chainlink-payload")
    for add in (add_parts, add_signatures, add_wire_forms, add_heads, add_offsets, add_lengths,
                add_paddings, add_published):  # fmt: skip
        add(file)
    return file
