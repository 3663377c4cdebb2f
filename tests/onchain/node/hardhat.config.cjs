"use strict";
// A chain on loopback with nothing on it. Contracts are compiled elsewhere (../compile.cjs).
module.exports = {
  solidity: "0.8.19",
  networks: {
    hardhat: {
      chainId: Number(process.env.PAYLOADS_CHAIN_ID || 31337),
      hardfork: "shanghai",
      initialBaseFeePerGas: 0,
      gasPrice: 0,
      // Several blocks a second, so that tests may name any time that is not in the past.
      allowBlocksWithSameTimestamp: true,
    },
  },
};
