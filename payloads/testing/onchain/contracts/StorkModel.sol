// SPDX-License-Identifier: MIT
pragma solidity 0.8.19;

import {StorkCore} from "./StorkCore.sol";

/// OUR MODEL of the generation with one signer; see StorkCore. A contract that was never initialised
/// has signer zero, and so does a failed recovery.
contract StorkModel is StorkCore {
    address public signerAddress;

    event SignerAddressUpdate(address indexed signerAddress);

    function initialize(address owner_, address signer, uint256 fee) external initializer(owner_) {
        _setSigner(signer);
        _setFee(fee);
    }

    function updateSignerAddress(address signer) external onlyOwner {
        _setSigner(signer);
    }

    function _setSigner(address signer) private {
        require(signer != address(0), "Signer address cannot be 0 address");
        signerAddress = signer;
        emit SignerAddressUpdate(signer);
    }

    function _trusts(address recovered) internal view override returns (bool) {
        return recovered == signerAddress;
    }
}
