// SPDX-License-Identifier: MIT
pragma solidity 0.8.19;

import {SimpleWriteAccessController} from
    "@chainlink/contracts/src/v0.8/shared/access/SimpleWriteAccessController.sol";

/// The published access controller that admits listed addresses alone, under a name of our own.
contract Guestlist is SimpleWriteAccessController {}
