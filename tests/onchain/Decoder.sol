// SPDX-License-Identifier: MIT
pragma solidity 0.8.19;

/// Exposes solc's own ABI decoder, so that a model of it can be compared with the real thing.
///
/// Memory decoding: every function below takes a blob, abi.decodes it into memory exactly as the
/// llo-feeds contracts do, and returns the canonical abi.encode of what came out. The free memory
/// pointer is 0x80 when each decode starts, as it is in the verifiers' own `verify`.
///
/// Calldata decoding: `verify`, `verifyBulk` and the two Stork functions carry the very signatures
/// of the deployed contracts and echo what the calldata decoder handed them.
contract Decoder {
    // Structs of static members have the same encoding as the bare tuple, and keep the stack shallow.
    struct Head {
        bytes32 feedId;
        uint32 validFromTimestamp;
        uint32 observationsTimestamp;
        uint192 nativeFee;
        uint192 linkFee;
        uint32 expiresAt;
    }

    struct Times {
        bytes32 feedId;
        uint32 validFromTimestamp;
        uint32 observationsTimestamp;
    }

    struct Schema1 {
        bytes32 feedId;
        uint32 observationsTimestamp;
        int192 benchmarkPrice;
        int192 bid;
        int192 ask;
        uint64 currentBlockNum;
        bytes32 currentBlockHash;
        uint64 validFromBlockNum;
        uint64 currentBlockTimestamp;
    }

    struct Schema2 {
        Head head;
        int192 benchmarkPrice;
    }

    struct Schema3 {
        Head head;
        int192 benchmarkPrice;
        int192 bid;
        int192 ask;
    }

    struct Schema4 {
        Head head;
        int192 benchmarkPrice;
        uint32 marketStatus;
    }

    struct Schema5 {
        Head head;
        int192 rate;
        uint32 timestamp;
        uint32 duration;
    }

    struct Schema6 {
        Head head;
        int192 price;
        int192 price2;
        int192 price3;
        int192 price4;
        int192 price5;
    }

    struct Schema7 {
        Head head;
        int192 exchangeRate;
    }

    struct Schema8 {
        Head head;
        uint64 lastUpdateTimestamp;
        int192 midPrice;
        uint32 marketStatus;
    }

    struct Schema9 {
        Head head;
        int192 navPerShare;
        uint64 navDate;
        int192 aum;
        uint32 ripcord;
    }

    struct Schema10 {
        Head head;
        uint64 lastUpdateTimestamp;
        int192 price;
        uint32 marketStatus;
        int192 currentMultiplier;
        int192 newMultiplier;
        uint32 activationDateTime;
        int192 tokenizedPrice;
    }

    struct Schema11 {
        Head head;
        int192 mid;
        uint64 lastSeenTimestampNs;
        int192 bid;
        int192 bidVolume;
        int192 ask;
        int192 askVolume;
        int192 lastTradedPrice;
        uint32 marketStatus;
    }

    struct Schema12 {
        Head head;
        int192 navPerShare;
        int192 nextNavPerShare;
        uint64 navDate;
        uint32 ripcord;
    }

    struct Schema13 {
        Head head;
        int192 bestAsk;
        int192 bestBid;
        uint64 askVolume;
        uint64 bidVolume;
        int192 lastTradedPrice;
    }

    struct SchemaHighFrequency {
        bytes32 feedId;
        uint64 validFromTimestamp;
        uint64 observationsTimestamp;
        uint192 nativeFee;
        uint192 linkFee;
        uint64 expiresAt;
        int192 benchmarkPrice;
        int192 bid;
        int192 ask;
    }

    function full(bytes calldata blob) external pure returns (bytes memory) {
        (bytes32[3] memory context, bytes memory report, bytes32[] memory rs, bytes32[] memory ss, bytes32 rawVs) =
            abi.decode(blob, (bytes32[3], bytes, bytes32[], bytes32[], bytes32));
        return abi.encode(context, report, rs, ss, rawVs);
    }

    function pair(bytes calldata blob) external pure returns (bytes memory) {
        (bytes32[3] memory context, bytes memory report) = abi.decode(blob, (bytes32[3], bytes));
        return abi.encode(context, report);
    }

    function quote(bytes calldata blob) external pure returns (bytes memory) {
        return abi.encode(abi.decode(blob, (address)));
    }

    function head(bytes calldata blob) external pure returns (bytes memory) {
        return abi.encode(abi.decode(blob, (Head)));
    }

    function times(bytes calldata blob) external pure returns (bytes memory) {
        return abi.encode(abi.decode(blob, (Times)));
    }

    function schema1(bytes calldata blob) external pure returns (bytes memory) {
        return abi.encode(abi.decode(blob, (Schema1)));
    }

    function schema2(bytes calldata blob) external pure returns (bytes memory) {
        return abi.encode(abi.decode(blob, (Schema2)));
    }

    function schema3(bytes calldata blob) external pure returns (bytes memory) {
        return abi.encode(abi.decode(blob, (Schema3)));
    }

    function schema4(bytes calldata blob) external pure returns (bytes memory) {
        return abi.encode(abi.decode(blob, (Schema4)));
    }

    function schema5(bytes calldata blob) external pure returns (bytes memory) {
        return abi.encode(abi.decode(blob, (Schema5)));
    }

    function schema6(bytes calldata blob) external pure returns (bytes memory) {
        return abi.encode(abi.decode(blob, (Schema6)));
    }

    function schema7(bytes calldata blob) external pure returns (bytes memory) {
        return abi.encode(abi.decode(blob, (Schema7)));
    }

    function schema8(bytes calldata blob) external pure returns (bytes memory) {
        return abi.encode(abi.decode(blob, (Schema8)));
    }

    function schema9(bytes calldata blob) external pure returns (bytes memory) {
        return abi.encode(abi.decode(blob, (Schema9)));
    }

    function schema10(bytes calldata blob) external pure returns (bytes memory) {
        return abi.encode(abi.decode(blob, (Schema10)));
    }

    function schema11(bytes calldata blob) external pure returns (bytes memory) {
        return abi.encode(abi.decode(blob, (Schema11)));
    }

    function schema12(bytes calldata blob) external pure returns (bytes memory) {
        return abi.encode(abi.decode(blob, (Schema12)));
    }

    function schema13(bytes calldata blob) external pure returns (bytes memory) {
        return abi.encode(abi.decode(blob, (Schema13)));
    }

    function schemaHighFrequency(bytes calldata blob) external pure returns (bytes memory) {
        return abi.encode(abi.decode(blob, (SchemaHighFrequency)));
    }

    function verify(bytes calldata payload, bytes calldata parameterPayload)
        external
        payable
        returns (bytes memory)
    {
        return abi.encode(payload, parameterPayload);
    }

    /// Touches the elements in order, as the v0.3.0 and v0.5.0 proxies do without a fee manager.
    function verifyBulk(bytes[] calldata payloads, bytes calldata parameterPayload)
        external
        payable
        returns (bytes memory)
    {
        bytes[] memory copies = new bytes[](payloads.length);
        for (uint256 i; i < payloads.length; ++i) {
            copies[i] = payloads[i];
        }
        return abi.encode(copies, parameterPayload);
    }

    /// Re-encodes the whole array, as the v0.4.0 proxy and a fee manager's bulk call make solc do.
    function forwardBulk(bytes[] calldata payloads, bytes calldata parameterPayload)
        external
        payable
        returns (bytes memory)
    {
        return abi.encode(payloads, parameterPayload);
    }

    function verifySignedECDSAPayload(bytes calldata payload) external payable returns (bytes memory) {
        return abi.encode(payload);
    }

    function verifyAndDeserializeSignedECDSAPayload(bytes calldata payload)
        external
        payable
        returns (bytes memory)
    {
        return abi.encode(payload);
    }
}
