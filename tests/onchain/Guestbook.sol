// SPDX-License-Identifier: MIT
pragma solidity 0.8.19;

import {SimpleReadAccessController} from
    "@chainlink/contracts/src/v0.8/shared/access/SimpleReadAccessController.sol";

/// The published access controller under a name of our own, so that it is compiled.
contract Guestbook is SimpleReadAccessController {}
