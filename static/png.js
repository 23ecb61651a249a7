// PNG files of this server -> their numbers. A canvas would give 8 of the 16 bits of a probability.
"use strict";

const HEAD_BYTES = 8;
const AROUND_BYTES = 12; // length, kind and checksum of a chunk

/** Read a gray PNG of 8 or 16 bit, not interlaced: {width, height, values}, row by row. */
export async function readPng(buffer) {
  const { head, packed } = chunksOf(buffer);
  const width = head.getUint32(0);
  const height = head.getUint32(4);
  const bytesPerPixel = head.getUint8(8) / 8;
  const isGray = head.getUint8(9) === 0 && head.getUint8(12) === 0;
  if (!isGray || (bytesPerPixel !== 1 && bytesPerPixel !== 2)) throw new Error("not a gray PNG of 8 or 16 bit");
  const lines = new Uint8Array(await inflated(packed));
  const bytes = unfiltered(lines, width * bytesPerPixel, height, bytesPerPixel);
  return { width, height, values: bytesPerPixel === 1 ? bytes : wide(bytes) };
}

function chunksOf(buffer) {
  const view = new DataView(buffer);
  const packed = [];
  let head = null;
  for (let at = HEAD_BYTES; at + AROUND_BYTES <= view.byteLength; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...new Uint8Array(buffer, at + 4, 4));
    if (kind === "IHDR") head = new DataView(buffer, at + 8, length);
    if (kind === "IDAT") packed.push(new Uint8Array(buffer, at + 8, length));
    at += AROUND_BYTES + length;
  }
  if (head === null || packed.length === 0) throw new Error("not a PNG");
  return { head, packed };
}

function inflated(parts) {
  return new Response(new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
}

// Each line begins with the number of its filter; "left" is a pixel before, "up" the line before.
function unfiltered(lines, stride, height, bytesPerPixel) {
  const bytes = new Uint8Array(stride * height);
  for (let row = 0; row < height; row++) {
    const filter = lines[row * (stride + 1)];
    const from = row * (stride + 1) + 1;
    const to = row * stride;
    for (let column = 0; column < stride; column++) {
      const left = column < bytesPerPixel ? 0 : bytes[to + column - bytesPerPixel];
      const up = row === 0 ? 0 : bytes[to + column - stride];
      const corner = row === 0 || column < bytesPerPixel ? 0 : bytes[to + column - stride - bytesPerPixel];
      bytes[to + column] = lines[from + column] + guess(filter, left, up, corner);
    }
  }
  return bytes;
}

function guess(filter, left, up, corner) {
  if (filter === 0) return 0;
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  const byLeft = Math.abs(up - corner);
  const byUp = Math.abs(left - corner);
  const byCorner = Math.abs(left + up - 2 * corner);
  if (byLeft <= byUp && byLeft <= byCorner) return left;
  return byUp <= byCorner ? up : corner;
}

function wide(bytes) {
  const values = new Uint16Array(bytes.length / 2);
  for (let index = 0; index < values.length; index++) values[index] = (bytes[2 * index] << 8) | bytes[2 * index + 1];
  return values;
}
