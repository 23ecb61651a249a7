// Send a slice, read what was found, keep the mask. Runs in Node.js 20 or newer.
import { openAsBlob } from "node:fs";
import { writeFile } from "node:fs/promises";

const server = process.env.SERVER ?? "http://127.0.0.1:8000";
const key = process.env.GROUNDGLASS_KEY;
const headers = key ? { Authorization: `Bearer ${key}` } : {};

const form = new FormData();
form.append("file", await openAsBlob("slice.png"), "slice.png");
form.append("output", "json");
const response = await fetch(`${server}/predict`, { method: "POST", headers, body: form });
const answer = await response.json();
if (!response.ok) throw new Error(answer.detail);

const { lesion_count, lesion_percent_of_lung } = answer.measurements;
console.log(`${lesion_count} lesions, ${lesion_percent_of_lung} % of the lung`);
await writeFile("mask.png", Buffer.from(answer.images.mask, "base64"));
