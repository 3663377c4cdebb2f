// SPDX-License-Identifier: MIT
pragma solidity 0.8.19;

import {ECDSA} from "@openzeppelin/contracts@4.8.3/utils/cryptography/ECDSA.sol";

/// OUR MODEL, not the vendor's contract: what is publicly known of Stork Fast 1.0.0's behaviour,
/// restated in Solidity from our own notes, because the vendor's source is in no package registry.
/// The recorded outcomes of the vendor's contract are what it is held against.
contract StorkModel {
    struct Asset {
        uint16 taxonomyID;
        uint16 assetID;
        uint64 timestampNs;
        int192 quantizedValue;
    }

    error InsufficientFee();
    error InvalidPayload();
    error InvalidSignature();

    // r, s, v, taxonomy, timestamp
    uint256 private constant HEAD = 32 + 32 + 1 + 2 + 8;
    // asset id, value
    uint256 private constant ASSET = 2 + 16;

    address public signer;
    uint256 public fee;

    /// No constructor and no guard: a contract never set up has signer zero, as the real one does.
    function setUp(address signer_, uint256 fee_) external {
        signer = signer_;
        fee = fee_;
    }

    // The getters of the real one.
    function storkFastAddress() external view returns (address) {
        return signer;
    }

    function verificationFeeInWei() external view returns (uint256) {
        return fee;
    }

    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    function verifySignedECDSAPayload(bytes calldata payload) external payable returns (bool) {
        return _verify(payload);
    }

    function verifyAndDeserializeSignedECDSAPayload(bytes calldata payload)
        external
        payable
        returns (Asset[] memory assets)
    {
        if (!_verify(payload)) revert InvalidSignature();
        uint16 taxonomy = uint16(bytes2(payload[65:67]));
        uint64 timestampNs = uint64(bytes8(payload[67:75]));
        uint256 present = (payload.length - HEAD) / ASSET;
        // The count is cut to 16 bits, the walk is not: asset 65,536 indexes past the array.
        assets = new Asset[](uint16(present));
        for (uint256 i; i < present; ++i) {
            bytes calldata entry = payload[HEAD + i * ASSET:HEAD + (i + 1) * ASSET];
            assets[i] = Asset({
                taxonomyID: taxonomy,
                assetID: uint16(bytes2(entry[0:2])),
                timestampNs: timestampNs,
                quantizedValue: int192(int128(uint128(bytes16(entry[2:18]))))
            });
        }
    }

    function _verify(bytes calldata payload) private view returns (bool) {
        if (msg.value < fee) revert InsufficientFee();
        if (payload.length < HEAD || (payload.length - HEAD) % ASSET != 0) revert InvalidPayload();
        bytes32 r = bytes32(payload[0:32]);
        bytes32 s = bytes32(payload[32:64]);
        uint8 v = uint8(payload[64]) + 27;
        (address recovered,) = ECDSA.tryRecover(keccak256(payload[65:]), v, r, s);
        return recovered == signer;
    }
}
