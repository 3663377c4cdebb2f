"use strict";
// A Data Streams service that is none of ours: websockets by `ws`, signatures by the vendor's SDK.
// It sends every client the same messages; see node.py for how it is told which.

const { createRequire } = require("node:module");
const http = require("node:http");
const path = require("node:path");
const readline = require("node:readline");

const wanted = createRequire(path.join(process.argv[2], "package.json"));
const sdk = wanted("@chainlink/data-streams-sdk");
const { WebSocketServer } = wanted("ws");

const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");

let account;

function signed(request) {
  const given = request.headers;
  const expected = sdk.generateAuthHeaders(
    account.key, account.secret, request.method, "http://localhost" + request.url, undefined,
    Number(given["x-authorization-timestamp"]),
  );
  return Object.entries(expected).every(([name, value]) => given[name.toLowerCase()] === value);
}

const actions = {
  // `messages` are {binary, compress, parts}, the parts in base64: one is a whole message, more are
  // its fragments, with a ping before each but the first.
  async serve({ key, secret, origins, deflate, messages }) {
    account = { key, secret };
    const server = http.createServer((request, response) => {
      const ok = signed(request) && request.method === "HEAD" && request.url === "/";
      say({ event: "request", method: request.method, url: request.url, ok });
      response.writeHead(ok ? 200 : 401, { "X-Cll-Available-Origins": `{${origins.join(",")}}` }).end();
    });
    const sockets = new WebSocketServer({
      server,
      // Small messages and parts of one are compressed as well.
      perMessageDeflate: deflate && { threshold: 0 },
      verifyClient: ({ req }, answer) => {
        const ok = signed(req);
        say({ event: "dial", url: req.url, origin: req.headers["x-cll-origin"] ?? "", ok });
        answer(ok, 401, JSON.stringify({ error: "HMAC mismatch" }));
      },
    });
    sockets.on("connection", (socket) => {
      say({ event: "open", extensions: socket.extensions });
      socket.on("pong", (data) => say({ event: "pong", data: data.toString() }));
      socket.on("close", (code) => say({ event: "close", code }));
      for (const { binary, compress, parts } of messages) {
        parts.forEach((part, index) => {
          if (index) socket.ping(`part ${index}`);
          const fin = index === parts.length - 1;
          socket.send(Buffer.from(part, "base64"), { binary, compress, fin });
        });
      }
    });
    await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
    return server.address().port;
  },
};

readline
  .createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const asked = JSON.parse(line);
    try {
      say({ id: asked.id, result: await actions[asked.do](...asked.args) });
    } catch (error) {
      say({ id: asked.id, error: { name: error.constructor.name, message: error.message } });
    }
  })
  .on("close", () => process.exit(0));
