// Kept numbers -> pixels of a canvas, as model/overlay.py draws them.
"use strict";

import { STEPS } from "./measure.js";

/** Each function gives RGBA bytes for a canvas. slice: {width, height, gray, steps}. */
export function original(slice) {
  const pixels = new Uint8ClampedArray(4 * slice.gray.length);
  slice.gray.forEach((value, index) => put(pixels, index, value, value, value));
  return pixels;
}

export function mask(slice, marked) {
  const pixels = new Uint8ClampedArray(4 * marked.length);
  marked.forEach((is, index) => put(pixels, index, 255 * is, 255 * is, 255 * is));
  return pixels;
}

/** All of the probability, without the slice below it. table: 256 colours, three bytes each. */
export function heat(slice, table) {
  const pixels = new Uint8ClampedArray(4 * slice.steps.length);
  slice.steps.forEach((step, index) => {
    const place = 3 * Math.round((255 * step) / STEPS);
    put(pixels, index, table[place], table[place + 1], table[place + 2]);
  });
  return pixels;
}

/** Heat over the lesions, more opaque the higher the probability; around them the outline. */
export function overlay(slice, marked, style, colours) {
  const pixels = original(slice);
  // Heat goes on last, so that the outline hides no part of a lesion.
  if (style.outline) drawOutline(pixels, slice, marked, colours);
  const table = colours.maps[style.colours];
  marked.forEach((is, index) => {
    if (!is) return;
    const probability = slice.steps[index] / STEPS;
    const alpha = style.opacity * probability;
    const place = 3 * Math.round(255 * probability);
    const under = (1 - alpha) * slice.gray[index];
    put(
      pixels,
      index,
      under + alpha * table[place],
      under + alpha * table[place + 1],
      under + alpha * table[place + 2],
    );
  });
  return pixels;
}

function put(pixels, index, red, green, blue) {
  const at = 4 * index;
  pixels[at] = red;
  pixels[at + 1] = green;
  pixels[at + 2] = blue;
  pixels[at + 3] = 255;
}

function drawOutline(pixels, { width, height }, marked, colours) {
  const wide = Math.max(1, Math.round(Math.max(width, height) / 512));
  const edge = edgeOf(grown(marked, width, height, wide + 1), width, height);
  const shapes = [
    [grown(edge, width, height, (wide + 2) >> 1), colours.rim],
    [grown(edge, width, height, wide >> 1), colours.outline],
  ];
  for (const [shape, colour] of shapes) {
    shape.forEach((is, index) => {
      if (is) put(pixels, index, ...colour);
    });
  }
}

/** A mask, larger by so many pixels on each side: first along the lines, then across them. */
function grown(marked, width, height, by) {
  if (by === 0) return marked;
  const wider = new Uint8Array(marked.length);
  marked.forEach((is, index) => {
    if (!is) return;
    const column = index % width;
    wider.fill(1, index - Math.min(by, column), index + Math.min(by, width - 1 - column) + 1);
  });
  const both = new Uint8Array(marked.length);
  wider.forEach((is, index) => {
    if (!is) return;
    const row = Math.floor(index / width);
    for (let next = Math.max(row - by, 0); next <= Math.min(row + by, height - 1); next++) {
      both[next * width + (index % width)] = 1;
    }
  });
  return both;
}

/** The pixels of a mask that have a side where it ends, be it at the border of the picture. */
function edgeOf(marked, width, height) {
  const edge = new Uint8Array(marked.length);
  marked.forEach((is, index) => {
    if (!is) return;
    const column = index % width;
    const isInside =
      column > 0 &&
      column < width - 1 &&
      index >= width &&
      index < width * (height - 1) &&
      marked[index - 1] &&
      marked[index + 1] &&
      marked[index - width] &&
      marked[index + width];
    if (!isInside) edge[index] = 1;
  });
  return edge;
}
