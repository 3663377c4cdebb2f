// SPDX-License-Identifier: MIT
pragma solidity 0.8.19;

/// The least of an upgradeable contract's front: everything is delegated, storage lies here.
contract Relay {
    address private immutable _behind;

    constructor(address behind) {
        _behind = behind;
    }

    fallback() external payable {
        address behind = _behind;
        assembly {
            calldatacopy(0, 0, calldatasize())
            let ok := delegatecall(gas(), behind, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if iszero(ok) { revert(0, returndatasize()) }
            return(0, returndatasize())
        }
    }
}
