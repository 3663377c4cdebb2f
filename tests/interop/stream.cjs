"use strict";
// Drives the vendor's TypeScript SDK as it is told in lines of JSON; see node.py.

const { createRequire } = require("node:module");
const path = require("node:path");
const readline = require("node:readline");

const sdk = createRequire(path.join(process.argv[2], "package.json"))("@chainlink/data-streams-sdk");

const say = (what) =>
  process.stdout.write(
    JSON.stringify(what, (_, value) => (typeof value === "bigint" ? value.toString() : value)) + "\n",
  );

let client;
let stream;

const actions = {
  client(config) {
    client = sdk.createClient({
      ...config,
      connectionStatusCallback: (connected, host, origin) =>
        say({ event: connected ? "up" : "down", origin }),
    });
  },

  // Any method of the client: listFeeds, getLatestReport, …
  call: (method, ...args) => client[method](...args),

  decode: (report) => decoded(report),

  async stream(feeds, options) {
    stream = client.createStream(feeds, options);
    stream.on("report", (report) => say({ event: "report", report, decoded: decoded(report) }));
    stream.on("error", (error) => say({ event: "error", message: error.message }));
    stream.on("reconnecting", ({ attempt, origin }) => say({ event: "reconnecting", attempt, origin }));
    stream.on("connection-restored", ({ origin }) => say({ event: "restored", origin }));
    stream.on("disconnected", () => say({ event: "disconnected" }));
    try {
      await stream.connect();
    } catch (error) {
      // What the error that is thrown leaves out.
      error.connections = stream.getConnectionDetails().map((one) => String(one.lastError));
      await stream.close();
      throw error;
    }
    return { type: stream.getConnectionType(), origins: stream.getOrigins() };
  },

  metrics: () => stream.getMetrics(),

  async close() {
    await stream.close();
    return stream.getMetrics();
  },
};

// The values in the order of the schema, as strings.
function decoded({ fullReport, feedID }) {
  const { version, ...values } = sdk.decodeReport(fullReport, feedID);
  return { version, names: Object.keys(values), values: Object.values(values).map(String) };
}

readline
  .createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const asked = JSON.parse(line);
    try {
      say({ id: asked.id, result: await actions[asked.do](...asked.args) });
    } catch (error) {
      const { message, connections, statusCode: status } = error;
      say({ id: asked.id, error: { name: error.constructor.name, message, status, connections } });
    }
  })
  .on("close", () => process.exit(0));
