// What a user of the Node SDK does, against BASE_URL with API_KEY. Prints one JSON object; any surprise throws.
import fs from "node:fs";
import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";

// Nothing is tried again, so each call has a connection of its own: the server gives up one that is idle for two seconds.
const client = new OpenAI({
  baseURL: process.env.BASE_URL,
  apiKey: process.env.API_KEY,
  maxRetries: 0,
  defaultHeaders: { connection: "close" },
});
const path = process.argv[2];

// A stream has no length: the body is chunked, and here the file comes before its purpose.
const streamed = await client.files.create({ file: fs.createReadStream(path), purpose: "batch" });
assert.equal(streamed.status, "processed");
assert.equal(streamed.bytes, fs.statSync(path).size);
const held = await client.files.create({
  purpose: "batch",
  file: await toFile(fs.readFileSync(path), "in.jsonl"),
  expires_after: { anchor: "created_at", seconds: 3600 },
});
assert.equal(held.expires_at, held.created_at + 3600);

let batch = await client.batches.create({
  input_file_id: streamed.id,
  endpoint: "/v1/chat/completions",
  completion_window: "24h",
  metadata: { from: "node" },
});
while (!["completed", "failed", "expired", "cancelled"].includes(batch.status)) {
  await new Promise((later) => setTimeout(later, 300));
  batch = await client.batches.retrieve(batch.id);
}
const output = await (await client.files.content(batch.output_file_id)).text();

const listed = [];
for await (const file of client.files.list({ limit: 1, purpose: "batch", order: "asc" })) listed.push(file.id);
assert.ok(listed.includes(streamed.id) && listed.includes(held.id));
assert.equal(new Set(listed).size, listed.length);

const upload = await client.uploads.create({
  filename: "big.jsonl", purpose: "batch", mime_type: "application/jsonl", bytes: fs.statSync(path).size,
});
const bytes = fs.readFileSync(path);
const cut = bytes.length >> 1;
const second = await client.uploads.parts.create(upload.id, { data: await toFile(bytes.subarray(cut), "b") });
const first = await client.uploads.parts.create(upload.id, { data: await toFile(bytes.subarray(0, cut), "a") });
const done = await client.uploads.complete(upload.id, { part_ids: [first.id, second.id] });
assert.equal(await (await client.files.content(done.file.id)).text(), bytes.toString());

await assert.rejects(client.batches.cancel(batch.id), (error) => error.status === 409 && Boolean(error.requestID));
await assert.rejects(client.files.retrieve("file-nobody"), (error) => error.status === 404 && error.param === "id");
await client.files.delete(held.id);
await assert.rejects(client.files.content(held.id), (error) => error.status === 404);

console.log(JSON.stringify({ status: batch.status, counts: batch.request_counts, cost: batch.cost, output }));
