"""The rules that the corpus covers. Each has a short name, which is the flag of its cases.

The names are stable: a rule that changes gets a new name.
"""

from __future__ import annotations

ENVELOPE = "Data Streams: the signed payload"
REPORT = "Data Streams: reports"
ABI = "Data Streams: how Solidity decodes"
CALL = "Data Streams: the contracts, all generations"
OLD = "Data Streams: v0.3.0, v0.5.0 and v0.5.1"
V4 = "Data Streams: v0.4.0"
FEES = "Data Streams: the fee manager"
TODAY = "Data Streams: no-op fee managers and views"
ARGUMENTS = "Calls: how Solidity decodes the arguments"
MEMORY = "Data Streams: the limits of memory"
CONFIG = "Data Streams: configs"
STORK = "Stork Fast: the signed update"
STORK_CALL = "Stork Fast: the contracts"

# By section: the flag, and what its rule says.
RULES: dict[str, dict[str, str]] = {
    ENVELOPE: {
        "Canonical": "An honest encoder writes seven words of head, then the report, rs and ss in "
        "this order, padded with zeros, and nothing behind them.",
        "Published": "A payload of a real network, published by its vendor or its users.",
        "ConfigDigest": "Word 0 is the config digest. Its prefix may be 0x0006, 0x0009 or another.",
        "EpochAndRound": "The low five bytes of word 1 are an epoch of four bytes and a round of "
        "one.",
        "ContextPadding": "The upper 27 bytes of word 1 are kept and signed, whatever they are.",
        "ExtraHash": "Word 2 is zero on older networks, and donID << 32 | 1 on newer ones.",
        "SpareVs": "Bytes of rawVs behind those of the signatures are neither signed nor checked: a"
        " payload is malleable there.",
        "SignatureOrder": "Signatures need not stand in the order of their addresses.",
        "SigningDigest": "Oracles sign keccak256(keccak256(report) || context), without the prefix "
        "of EIP-191.",
        "SameReportOtherSigners": "The same report and context may come with other signers: neither"
        " the payload nor its hash identifies a report.",
        "SharedSequence": "Two feeds may have the same digest, epoch and round.",
        "HexText": "On the wire a payload is hex, with or without 0x, in upper or lower case.",
        "Snappy": "Solana takes raw snappy of the bytes.",
        "FrameContradicts": "The signed report decides. A frame beside it may say another feed.",
    },
    REPORT: {
        "SchemaByFeedId": "The first two bytes of the feed id are the version of the schema.",
        **{f"SchemaV{number}": f"The layout of schema {number}." for number in range(1, 14)},
        "SchemaV14": "The layout of schema 14, which is known from one package of the vendor only; "
        "its contractMonth is not checked by a contract.",
        "HighFrequency": "Feed ids that begin with 0x1003 are schema 3 with times as uint64 "
        "milliseconds. One example is published; the rule is inferred.",
        "LegacyFeedId": "Old feed ids of schema 1 have no version: 288 bytes with the shape of "
        "schema 1 are the only hint.",
        "UnknownSchema": "An unknown version has no fields. The payload around it decodes.",
        "IntegerLimits": "Integers at the ends of their types are read as they are.",
        "NegativePrice": "Prices are signed: int192.",
        "MarketStatus": "marketStatus is uint32: 258 is 258, not 2. Few values are documented.",
        "NavDate": "navDate of schemas 9 and 12 is unsigned: 2^63 and more is no negative number.",
        "Ripcord": "ripcord is uint32: any value is read. Only 0 and 1 are documented.",
        "LateLastSeen": "lastSeenTimestampNs may be later than the observation.",
        "DirtyBits": "Bits above a uint32, uint64, uint192 or beside the sign of an int192 revert.",
        "ShortReport": "A report that ends before its last field reverts.",
        "ReportTrailing": "Bytes behind the last field of a report are accepted.",
    },
    ABI: {
        "ShortHead": "Fewer than 224 bytes revert with empty data.",
        "OffsetTooLarge": "An offset of 2^64 or more reverts with empty data.",
        "OffsetPastEnd": "An offset with offset + 31 >= size reverts with empty data.",
        "OffsetIntoHead": "An offset may lead into the head.",
        "OffsetUnaligned": "An offset need not be a multiple of 32.",
        "Overlap": "Two tails may be the same bytes.",
        "OutOfOrder": "Tails may stand in another order than their offsets.",
        "Gap": "Bytes that nothing reads may stand between head and tails.",
        "LengthTooLarge": "A length of 2^64 or more is Panic(0x41).",
        "LengthAllocation": "A length whose allocation passes 2^64 is Panic(0x41).",
        "LengthPastEnd": "Any other length that reaches past the end reverts with empty data.",
        "TailOrder": "The tails are read in turn, so the first bad one decides.",
        "TrailingBytes": "Bytes behind the last tail are accepted.",
        "DirtyPadding": "Padding behind the report need not be zero.",
        "MissingPadding": "Padding behind the last tail need not be there.",
        "EmptyTails": "Report, rs and ss may be empty.",
        "UnequalCounts": "rs and ss may have different lengths, as far as decoding goes.",
    },
    CALL: {
        "Good": "A good payload is accepted.",
        "AccessForbidden": "The access controller is asked first: AccessForbidden.",
        "HighS": "Signatures with a high s are accepted.",
        "RecoveryId": "v is 0 or 1. 27 and 28 recover nobody.",
        "VOverflow": "v + 27 is checked uint8 arithmetic: more than 228 is Panic(0x11).",
        "SignatureRange": "r or s of zero, or of the curve's order and more, recover nobody.",
        "UnknownSigner": "A signer that the config does not list: BadVerification.",
        "DoubledSigner": "A signer that signed twice: BadVerification.",
        "MismatchedSignatures": "As many r as s, else MismatchedSignatures.",
        "ChangedAfterSigning": "A bit that was changed after signing gives another signer.",
        "Bulk": "verifyBulk bills all payloads, then verifies all. One failure fails the call.",
    },
    OLD: {
        "VerifierNotFound": "The proxy looks up the first word before anything is decoded: "
        "VerifierNotFound(word).",
        "StubDigest": "A payload of fewer than 32 bytes is padded with zeros for that.",
        "FeedDeactivated": "v0.3.0: a deactivated feed is InactiveFeed(feed), before its config.",
        "ConfigOfFeed": "v0.3.0 finds the config by feed and digest, v0.5.0 by the digest alone.",
        "DigestInactive": "A config that was deactivated or never set: DigestInactive.",
        "FeedIdPadded": "bytes32(report) of a short report is padded with zeros on the right.",
        "SignatureCount": "Exactly f + 1 signatures, else IncorrectSignatureCount.",
        "CountFirst": "The number of rs is looked at before that of ss.",
        "SignatureByTurn": "Each signature is recovered and looked up in turn: the first bad one "
        "decides.",
        "ReportUninspected": "The report's own bytes are not looked at: even an empty one passes.",
    },
    V4: {
        "NoSigners": "No signature: NoSigners.",
        "MismatchFirst": "MismatchedSignatures comes before NoSigners.",
        "AllRecovered": "All signatures are recovered before one is looked up: Panic(0x11) even "
        "behind an unknown signer.",
        "Signature33": "The 33rd signature is Panic(0x32).",
        "ObservedTime": "The report's first three words are decoded: shorter than 96 bytes or dirty"
        " reverts with empty data, after the duplicates.",
        "ActivationTime": "The newest config whose activation time is not after the observation "
        "applies. None, or one that is inactive, is BadVerification.",
        "AnyCountAboveF": "More than f signatures are enough, and any number up to 31 is taken.",
        "DigestUnread": "The config digest is not read.",
        "FeesLast": "The fee manager comes last, and each of its failures is BadVerification.",
    },
    FEES: {
        "FeesFirst": "v0.3.0, v0.5.0 and v0.5.1 bill before they verify.",
        "Version1Free": "Reports of schema 1 pay nothing, never expire and need no token.",
        "ParameterPayload": "The parameter payload is an address: dirty or short reverts empty.",
        "InvalidQuote": "A token that is neither LINK nor wrapped native: InvalidQuote.",
        "CommonHead": "The six common fields are decoded: 192 bytes, clean, else empty revert.",
        "Expired": "expiresAt before the block's time: ExpiredReport. The same second passes.",
        "InvalidDeposit": "Native with a value that is less than the fee: InvalidDeposit. More is "
        "accepted.",
        "WrappedNative": "Native with no value is taken as wrapped native.",
        "LinkKeepsValue": "Paying in LINK, any value is accepted and sent back.",
        "Surcharge": "The native fee is rounded up after the surcharge.",
        "Discount": "The fee is rounded up after the discount, which comes after the surcharge.",
        "DiscountOfFeed": "A discount for the feed counts before one for all feeds.",
        "GlobalDiscount": "Where a feed has none, the discount for all feeds counts.",
    },
    TODAY: {
        "NoOpFeeManager": "It takes anything: no report or token is decoded, nothing expires.",
        "View": "v0.5.1 has verifyView: it asks the access controller and does not bill.",
        "ValueOnView": "A view takes no value: empty revert.",
        "NoSuchView": "Older proxies have no views: empty revert.",
    },
    ARGUMENTS: {
        "CallGood": "An honest encoder writes the selector, the offsets, and the arguments behind "
        "them in turn, padded with zeros, and nothing behind them.",
        "CallSelector": "Fewer than four bytes, or the selector of no function of the contract, "
        "revert with empty data.",
        "ArgumentHead": "Calldata that ends before the offsets do reverts with empty data.",
        "ArgumentOffset": "An offset of 2^64 or more, or one that leaves fewer than 32 bytes, "
        "reverts with empty data. It counts from behind the selector.",
        "ArgumentOffsetInside": "An offset may lead into the head, or into another argument.",
        "ArgumentUnaligned": "An offset need not be a multiple of 32.",
        "ArgumentLength": "A length that reaches past the end reverts with empty data. Nothing is "
        "allocated, so no length is a panic.",
        "ArgumentOrder": "Arguments may stand in another order than their offsets.",
        "ArgumentGap": "Bytes that nothing reads may stand between the offsets and the arguments.",
        "ArgumentOverlap": "Two arguments may have bytes in common.",
        "ArgumentPadding": "Padding need not be zero, and the last argument needs none.",
        "ArgumentTrailing": "Bytes behind the last argument are accepted.",
        "ArgumentsFirst": "Arguments are decoded before the access controller and the fee.",
        "ElementOffset": "Offsets of elements of bytes[] count from behind its length and are "
        "signed: an element may stand before the array, and before all calldata it is empty.",
        "ElementLength": "An element that reaches past the end reverts with empty data.",
        "ElementOrder": "v0.4.0, and a fee manager, need all elements first. Otherwise an element "
        "is read when the payload before it was verified.",
    },
    MEMORY: {
        "MemoryAccess": "v0.4.0: the answer of an access controller takes 32 bytes before the "
        "payload is decoded, so shorter lengths are Panic(0x41).",
        "MemoryFees": "v0.3.0, v0.5.0 and v0.5.1: a fee manager decodes the report first, with less"
        " free memory, and in bulk with less for each payload that it has billed.",
        "MemoryBulk": "v0.4.0: in bulk, each payload leaves less memory to the next. The other "
        "generations call the verifier anew for each payload.",
    },
    CONFIG: {
        "ConfigSize": "0 < f and 3f < signers <= 31, in this order: FaultToleranceMustBePositive, "
        "ExcessSigners, InsufficientSigners.",
        "ConfigSigners": "No signer is zero or listed twice: ZeroAddress, NonUniqueSignatures.",
        "DonConfigId": "v0.4.0 names a config by the first 24 bytes of keccak256(sorted signers as "
        "words || f as a byte).",
        "DigestOfConfig": "v0.3.0's digest is 0x0006 and the last 30 bytes of keccak256 of the "
        "config's ABI encoding with chain, verifier and count.",
    },
    STORK: {
        "StorkPlain": "r, s, v, then taxonomy, time and assets of id and value, big-endian.",
        "StorkNoAssets": "75 bytes, without assets, are a valid update.",
        "StorkLength": "Fewer than 75 bytes, or a rest that is no whole asset, are refused.",
        "StorkDigest": "The signer signs keccak256 of the body, without the prefix of EIP-191.",
        "StorkSignedValue": "Values are signed: int128, at the ends of the type, too.",
        "StorkDuplicates": "An asset may come twice, and assets keep their order.",
        "StorkVersioned": "0xFF 0x02 and a mask begin the versioned body, which says what each "
        "asset carries.",
        "StorkMask": "A mask may carry values, market statuses, both or neither.",
        "StorkUnknownVersion": "A version or a mask bit that is not known is refused.",
        "StorkStatus": "A market status of 0xFF is none.",
        "StorkTaxonomy": "A plain body with a taxonomy of 0xFF00 and up looks like a versioned one:"
        " the reader must be told.",
        "StorkPublished": "An update of the vendor's signer, published.",
    },
    STORK_CALL: {
        "StorkGood": "An update of the contract's signer is accepted.",
        "StorkFee": "Less value than the fee: InsufficientFee, before anything else. More is kept.",
        "StorkSize": "A size that is not 75 + 18n: InvalidPayload, before the signature.",
        "StorkVOverflow": "v of more than 228 is Panic(0x11).",
        "StorkRecovery": "A high s, a v that is not 0 or 1, and r or s out of range recover nobody:"
        " false, or InvalidSignature.",
        "StorkSigner": "Another signer: false, or InvalidSignature.",
        "StorkAnySigner": "Of several signers, any one is enough.",
        "StorkUninitialised": "Never initialised: with one signer, whatever recovers nobody is "
        "true; with several, nothing is.",
        "StorkManyAssets": "More than 65,535 assets: verifying works, the other is Panic(0x32).",
        "StorkVersionedCall": "The contracts read a versioned body as a plain one.",
    },
}
FLAGS = {flag: meaning for rules in RULES.values() for flag, meaning in rules.items()}
