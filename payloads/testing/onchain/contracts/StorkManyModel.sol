// SPDX-License-Identifier: MIT
pragma solidity 0.8.19;

import {StorkCore} from "./StorkCore.sol";

/// OUR MODEL of the generation with several signers; see StorkCore. Any one of them is enough.
contract StorkManyModel is StorkCore {
    uint256 private constant MOST = 8;

    mapping(address => bool) public isValidSignerAddress;
    address[] private _signers;

    event SignerAddressAdded(address indexed signerAddress);
    event SignerAddressRemoved(address indexed signerAddress);

    function initialize(address owner_, address[] calldata signers, uint256 fee)
        external
        initializer(owner_)
    {
        require(signers.length != 0, "At least one signer address is required");
        for (uint256 i; i < signers.length; ++i) {
            _add(signers[i]);
        }
        _setFee(fee);
    }

    function getSignerAddresses() external view returns (address[] memory) {
        return _signers;
    }

    function addSignerAddress(address signer) external onlyOwner {
        _add(signer);
    }

    function removeSignerAddress(address signer) external onlyOwner {
        require(isValidSignerAddress[signer], "Signer address does not exist");
        require(_signers.length > 1, "Cannot remove last signer address");
        uint256 last = _signers.length - 1;
        for (uint256 i; i < last; ++i) {
            if (_signers[i] == signer) _signers[i] = _signers[last];
        }
        _signers.pop();
        delete isValidSignerAddress[signer];
        emit SignerAddressRemoved(signer);
    }

    function _add(address signer) private {
        require(signer != address(0), "Signer address cannot be 0 address");
        require(!isValidSignerAddress[signer], "Signer address already exists");
        require(_signers.length < MOST, "Signer address limit reached");
        isValidSignerAddress[signer] = true;
        _signers.push(signer);
        emit SignerAddressAdded(signer);
    }

    function _trusts(address recovered) internal view override returns (bool) {
        return isValidSignerAddress[recovered];
    }
}
