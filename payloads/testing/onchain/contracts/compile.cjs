"use strict";
// Compiles the sources of a folder, and the published contracts that its published.json names, with
// the settings that give the published bytecode.
// Usage: node compile.cjs <folder of .sol files> <install folder> <out folder>
// solc and the published sources come from <install folder>/node_modules; nothing is downloaded here.

const fs = require("fs");
const path = require("path");

const [folder, install, out] = process.argv.slice(2).map((given) => path.resolve(given));
const modules = path.join(install, "node_modules");
const solc = require(path.join(modules, "solc"));

// solc writes import paths as the llo-feeds sources do; these prefixes say where they really are.
// The older generations are from one release, and the newer contracts from another ("next").
const ROOTS = [
  ["@openzeppelin/contracts@4.8.3/", path.join(modules, "@openzeppelin", "contracts-4.8.3")],
  ["@chainlink/contracts/", path.join(modules, "@chainlink", "contracts")],
  ["@chainlink/contracts-next/", path.join(modules, "@chainlink", "contracts-2.0.0-beta.0")],
];

function read(name) {
  for (const [prefix, root] of ROOTS) {
    if (name.startsWith(prefix)) {
      return fs.readFileSync(path.join(root, name.slice(prefix.length)), "utf8");
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

// Source files with the key of the artifact that is made of each.
function targets() {
  const wanted = {};
  for (const file of fs.readdirSync(folder).filter((name) => name.endsWith(".sol")).sort()) {
    const content = fs.readFileSync(path.join(folder, file), "utf8");
    wanted[file] = { key: path.basename(file, ".sol"), content };
  }
  const list = path.join(folder, "published.json");
  const published = fs.existsSync(list) ? JSON.parse(fs.readFileSync(list, "utf8")) : {};
  for (const [key, file] of Object.entries(published)) wanted[file] = { key, content: read(file) };
  return wanted;
}

function compile(wanted) {
  const sources = {};
  for (const [file, { content }] of Object.entries(wanted)) sources[file] = { content };
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
  for (const [file, { key }] of Object.entries(wanted)) {
    const made = output.contracts[file][path.basename(file, ".sol")];
    artifacts[key] = {
      abi: made.abi,
      bytecode: made.evm.bytecode.object,
      runtime: made.evm.deployedBytecode.object,
    };
  }
  fs.writeFileSync(path.join(out, "artifacts.json"), JSON.stringify(artifacts));
}

main();
