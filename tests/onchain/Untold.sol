// SPDX-License-Identifier: MIT
pragma solidity 0.8.19;

/// A fee manager that nobody has published: the proxy takes it, and no reader can know its terms.
contract Untold {
  function typeAndVersion() external pure returns (string memory) {
    return "Untold 9.9.9";
  }

  function supportsInterface(bytes4) external pure returns (bool) {
    return true;
  }
}
