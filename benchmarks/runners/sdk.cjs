// The vendor's TypeScript SDK, speaking the line protocol of loop.py: `node sdk.cjs INPUTS PROJECT`.
// Its decodeReport returns prices, fees and expiry only; the rest it decodes and drops.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");

const [inputs, project] = process.argv.slice(2);
const { full_report: hex, fields } = JSON.parse(fs.readFileSync(inputs, "utf8"));
const home = path.join(project, "node_modules", "@chainlink", "data-streams-sdk");
const { decodeReport } = require(home);
const { version } = JSON.parse(fs.readFileSync(path.join(home, "package.json"), "utf8"));

function run(count) {
  let report;
  const start = process.hrtime.bigint();
  for (let i = 0; i < count; i++) report = decodeReport(hex, fields.feed_id);
  return [Number(process.hrtime.bigint() - start) / 1e9, report];
}

function check(report) {
  return {
    native_fee: String(report.nativeFee),
    link_fee: String(report.linkFee),
    expires_at: String(report.expiresAt),
    benchmark_price: String(report.price),
    bid: String(report.bid),
    ask: String(report.ask),
  };
}

const say = (answer) => process.stdout.write(JSON.stringify(answer) + "\n");
say({ what: `@chainlink/data-streams-sdk ${version}` });
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [seconds, report] = run(Number(line.split(" ")[1]));
  say({ seconds, check: check(report) });
});
