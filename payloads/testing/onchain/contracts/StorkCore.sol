// SPDX-License-Identifier: MIT
pragma solidity 0.8.19;

import {ECDSA} from "@openzeppelin/contracts@4.8.3/utils/cryptography/ECDSA.sol";

/// OUR MODEL, not the vendor's contract: what is publicly known of Stork Fast 1.0.0's behaviour,
/// restated in Solidity from our own notes, because the vendor's source is in no package registry.
/// The recorded outcomes of the vendor's contracts are what it is held against. Here is what both
/// generations share. The real ones stand behind proxies, and their owners can upgrade them.
abstract contract StorkCore {
    struct Value {
        uint64 timestampNs;
        int192 quantizedValue;
    }

    struct Asset {
        uint16 assetID;
        Value value;
    }

    error InsufficientFee();
    error InvalidPayload();
    error InvalidSignature();
    error InvalidInitialization();
    error OwnableInvalidOwner(address owner);
    error OwnableUnauthorizedAccount(address account);

    event VerificationFeeUpdate(uint256 verificationFeeInWei);

    // r, s, v, taxonomy, timestamp
    uint256 private constant HEAD = 32 + 32 + 1 + 2 + 8;
    // asset id, value
    uint256 private constant ASSET = 2 + 16;

    uint256 public verificationFeeInWei;
    address public owner;
    bool private _initialized;

    modifier onlyOwner() {
        if (msg.sender != owner) revert OwnableUnauthorizedAccount(msg.sender);
        _;
    }

    modifier initializer(address owner_) {
        if (_initialized) revert InvalidInitialization();
        if (owner_ == address(0)) revert OwnableInvalidOwner(owner_);
        _initialized = true;
        owner = owner_;
        _;
    }

    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    function updateVerificationFeeInWei(uint256 fee) external onlyOwner {
        _setFee(fee);
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
        uint64 timestampNs = uint64(bytes8(payload[67:75]));
        uint256 present = (payload.length - HEAD) / ASSET;
        // The count is cut to 16 bits, the walk is not: asset 65,536 indexes past the array.
        assets = new Asset[](uint16(present));
        for (uint256 i; i < present; ++i) {
            bytes calldata entry = payload[HEAD + i * ASSET:HEAD + (i + 1) * ASSET];
            int192 quantized = int192(int128(uint128(bytes16(entry[2:18]))));
            assets[i] = Asset(uint16(bytes2(entry[0:2])), Value(timestampNs, quantized));
        }
    }

    function _setFee(uint256 fee) internal {
        verificationFeeInWei = fee;
        emit VerificationFeeUpdate(fee);
    }

    function _verify(bytes calldata payload) private view returns (bool) {
        if (msg.value < verificationFeeInWei) revert InsufficientFee();
        if (payload.length < HEAD || (payload.length - HEAD) % ASSET != 0) revert InvalidPayload();
        bytes32 r = bytes32(payload[0:32]);
        bytes32 s = bytes32(payload[32:64]);
        uint8 v = uint8(payload[64]) + 27;
        (address recovered,) = ECDSA.tryRecover(keccak256(payload[65:]), v, r, s);
        return _trusts(recovered);
    }

    function _trusts(address recovered) internal view virtual returns (bool);
}
