"use strict";
// Compiles our own contracts and the published llo-feeds contracts, with the settings that give
// the published bytecode. Usage: node compile.cjs <our .sol folder> <install folder> <out folder>
// solc and the sources come from <install folder>/node_modules, nothing is downloaded here.

const fs = require("fs");
const path = require("path");

const [ours, install, out] = process.argv.slice(2).map((given) => path.resolve(given));
const modules = path.join(install, "node_modules");
const solc = require(path.join(modules, "solc"));

// solc writes import paths as the llo-feeds sources do; these prefixes say where they really are.
const ROOTS = [
  ["@openzeppelin/contracts@4.8.3/", path.join(modules, "@openzeppelin", "contracts-4.8.3")],
  ["@chainlink/contracts/", path.join(modules, "@chainlink", "contracts")],
  ["@chainlink/contracts-next/", path.join(modules, "@chainlink", "contracts-2.0.0-beta.0")],
];

// The release that the older generations are from, and the one that the newer contracts are from.
const FEEDS = "@chainlink/contracts/src/v0.8/llo-feeds/";
const NEXT = "@chainlink/contracts-next/src/v0.8/llo-feeds/";
const PUBLISHED = {
  "v0.3.0": ["VerifierProxy", "Verifier", "FeeManager", "RewardManager"],
  "v0.4.0": [
    "DestinationVerifierProxy",
    "DestinationVerifier",
    "DestinationFeeManager",
    "DestinationRewardManager",
  ],
  "v0.5.0": ["VerifierProxy", "Verifier", "FeeManager", "RewardManager"],
};
const PUBLISHED_NEXT = {
  "v0.5.0": ["NoOpFeeManager"],
  "v0.5.1": ["VerifierProxy", "Verifier", "FeeManager", "RewardManager", "NoOpFeeManager"],
};

function read(name) {
  for (const [prefix, folder] of ROOTS) {
    if (name.startsWith(prefix)) {
      return fs.readFileSync(path.join(folder, name.slice(prefix.length)), "utf8");
    }
  }
  throw new Error(`no root for ${name}`);
}

function resolveImport(name) {
  try {
    return { contents: read(name) };
  } catch (error) {
    return { error: String(error.message) };
  }
}

function targets() {
  const wanted = {};
  for (const file of fs.readdirSync(ours).filter((name) => name.endsWith(".sol")).sort()) {
    const contract = path.basename(file, ".sol");
    const contents = fs.readFileSync(path.join(ours, file), "utf8");
    wanted[file] = { contract, key: contract, contents };
  }
  for (const [folder, published] of [[FEEDS, PUBLISHED], [NEXT, PUBLISHED_NEXT]]) {
    for (const [generation, contracts] of Object.entries(published)) {
      for (const contract of contracts) {
        const file = `${folder}${generation}/${contract}.sol`;
        wanted[file] = { contract, key: `${generation}/${contract}`, contents: read(file) };
      }
    }
  }
  return wanted;
}

function compile(wanted) {
  const sources = {};
  for (const [file, target] of Object.entries(wanted)) sources[file] = { content: target.contents };
  const input = {
    language: "Solidity",
    sources,
    settings: {
      optimizer: { enabled: true, runs: 1_000_000 },
      evmVersion: "paris",
      metadata: { bytecodeHash: "none" },
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: resolveImport }));
  const fatal = (output.errors || []).filter((error) => error.severity === "error");
  if (fatal.length) throw new Error(fatal.map((error) => error.formattedMessage).join("\n"));
  return output;
}

function main() {
  const wanted = targets();
  const output = compile(wanted);
  const artifacts = {};
  for (const [file, { contract, key }] of Object.entries(wanted)) {
    const made = output.contracts[file][contract];
    artifacts[key] = {
      abi: made.abi,
      bytecode: made.evm.bytecode.object,
      runtime: made.evm.deployedBytecode.object,
    };
  }
  fs.mkdirSync(out, { recursive: true });
  fs.writeFileSync(path.join(out, "artifacts.json"), JSON.stringify(artifacts));
}

main();
