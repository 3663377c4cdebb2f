// ethers and the vendor's TypeScript SDK over the corpus: `node ethers.cjs DIR PROJECT ethers|sdk`.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");

const [folder, project, which] = process.argv.slice(2);
const load = createRequire(path.resolve(project, "package.json"));
const { AbiCoder, Interface } = load("ethers");
const coder = AbiCoder.defaultAbiCoder();
const read = (name) => fs.readFileSync(path.join(folder, name), "utf8");
const index = JSON.parse(read("corpus.json"));
const FULL = ["bytes32[3]", "bytes", "bytes32[]", "bytes32[]", "bytes32"];
const plain = (value) => (typeof value === "bigint" || typeof value === "number" ? String(value) : value);
const say = (record) => process.stdout.write(JSON.stringify(record) + "\n");
const schemaOf = (blob) => index.schemas[blob.slice(2, 6)];

// --- ethers: the types are given -----------------------------------------------------------------

function envelope(hex) {
  const [context, blob, rs, ss, vs] = coder.decode(FULL, hex);
  return { context: [...context], report_blob: blob, rs: [...rs], ss: [...ss], raw_vs: vs };
}

function report(hex) {
  const { schema, fields } = schemaOf(hex);
  const values = coder.decode(fields.map(([, type]) => type), hex);
  return { schema, ...Object.fromEntries(fields.map(([name], at) => [name, plain(values[at])])) };
}

const functions = new Interface([
  "function verify(bytes,bytes)",
  "function verifyBulk(bytes[],bytes)",
  "function verifyView(bytes)",
  "function verifyBulkView(bytes[])",
  "function verifySignedECDSAPayload(bytes)",
  "function verifyAndDeserializeSignedECDSAPayload(bytes)",
]);

function call(hex) {
  const found = functions.parseTransaction({ data: hex });
  if (found === null) throw Object.assign(new Error("no such function"), { code: "NONE" });
  const [first, parameter] = found.args;
  const many = typeof first !== "string";
  return {
    function: found.signature,
    ...(many ? { payloads: [...first] } : { payload: first }),
    ...(parameter === undefined ? {} : { parameter }),
  };
}

function byEthers({ form, input }) {
  if (form === "calldata") return { decoded: call(input) };
  if (form === "report") {
    return schemaOf(input) ? { decoded: report(input) } : { skip: "no types to decode by" };
  }
  if (form === "full_report" || form === "envelope") return { decoded: envelope(input) };
  return { skip: "no bytes of an ABI encoding" };
}

// --- the SDK: it takes a payload and the feed id of the frame beside it ----------------------------

const ZERO = "0x" + "00".repeat(32);
const wrapped = (blob) => coder.encode(FULL, [[ZERO, ZERO, ZERO], blob, [], [], ZERO]);
// Its names for fields that have another name in the corpus.
const renamed = (name, version) =>
  name === "price" && ["V2", "V3", "V4"].includes(version)
    ? "benchmark_price"
    : name.replace(/[A-Z]/g, (letter) => "_" + letter.toLowerCase());

const sdk = which === "sdk" && load("@chainlink/data-streams-sdk");
const SDK_KNOWS = ["0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "000a", "000b", "000c", "000d"];

function bySdk({ form, input, decoded }) {
  // The feed id of an honest frame.
  let feed = decoded?.report?.feed_id ?? "0x0003" + "00".repeat(30);
  let hex = input;
  if (form === "report") {
    feed = input.slice(0, 66);
    hex = wrapped(input);
  } else if (form === "frame") {
    const frame = JSON.parse(input).report;
    [hex, feed] = [frame.fullReport, frame.feedID];
  } else if (form !== "full_report" && form !== "text") {
    return { skip: "it decodes payloads with a report that it knows" };
  }
  const schema = feed.slice(2, 6);
  if (schema in index.schemas && !SDK_KNOWS.includes(schema)) return { skip: "no such schema" };
  const { version, ...values } = sdk.decodeReport(hex, feed);
  const fields = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [renamed(name, version), plain(value)]),
  );
  fields.schema = version.toLowerCase();
  return { decoded: form === "report" ? fields : { report: fields } };
}

// --------------------------------------------------------------------------------------------------

// Either promises errors of its own kind; anything else is a breakdown. What ethers cannot decode
// it throws when the value is taken, around the error itself.
const promised = (error) =>
  which === "sdk"
    ? error instanceof sdk.DataStreamsError
    : typeof (error.error ?? error).code === "string";

function answer(one) {
  try {
    return (which === "sdk" ? bySdk : byEthers)(one);
  } catch (error) {
    return { [promised(error) ? "error" : "crash"]: String(error.message).slice(0, 200) };
  }
}

const name = which === "sdk" ? "@chainlink/data-streams-sdk" : "ethers";
const home = path.join(project, "node_modules", name, "package.json");
say({ decoder: `${name} ${JSON.parse(fs.readFileSync(home, "utf8")).version}` });
for (const file of Object.keys(index.files)) {
  for (const line of read(file).trimEnd().split("\n")) {
    const one = JSON.parse(line);
    say({ id: one.id, ...answer(one) });
  }
}
