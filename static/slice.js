// The page of one slice: its figures follow the threshold. Without this script a button asks the server for them.
"use strict";

import { measure } from "./measure.js";
import { fetchColours, fetchPng, Viewer } from "./viewer.js";
import { figures, summary } from "./words.js";

const root = document.getElementById("viewer");
const sentence = document.getElementById("sentence");
const address = (kind) => root.dataset.pictures.replace("KIND", kind);

async function read() {
  const kinds = ["original", "probability", ...(root.dataset.hasLung === "1" ? ["lung"] : [])];
  const [gray, probability, lung] = await Promise.all(kinds.map((kind) => fetchPng(address(kind))));
  return {
    name: "1",
    width: gray.width,
    height: gray.height,
    gray: gray.values,
    steps: probability.values,
    lung: lung ? lung.values : null,
    why: address("why"),
  };
}

function tell(viewer, slice, mask) {
  const measured = measure(mask, slice.lung, slice.width, slice.height);
  const told = { ...figures(measured), threshold: String(viewer.state.threshold) };
  for (const place of document.querySelectorAll("[data-figure]")) place.textContent = told[place.dataset.figure];
  document.querySelector('dd[data-figure="share_of"]').classList.toggle("caution", measured.lung_area_px === 0);
  sentence.textContent = summary(measured);
  viewer.say(sentence.textContent);
}

// Where something cannot be fetched, the page stays as the server made it, and works.
const [slice, colours] = await Promise.all([read(), fetchColours(root.dataset.colourTables)]);
const viewer = new Viewer(root, colours, { onThreshold: (mask) => tell(viewer, slice, mask) });
viewer.show(slice);
