// Goes through the slices of a volume without loading the page again. Without this script every slice is a page.
"use strict";

import { fetchColours, fetchPng, Viewer } from "./viewer.js";

const KEPT_SLICES = 16;
const ASK_AFTER_MS = 100;

const byId = (id) => document.getElementById(id);
const root = byId("viewer");
const count = Number(root.dataset.count);
const field = byId("slice");
const keep = byId("keep");
const here = byId("here");
const pictures = byId("pictures");
const bars = [...document.querySelectorAll("#chart a")];
const [before, after] = document.querySelectorAll("#stepper a");
const rows = [...document.querySelectorAll("tbody a")];
const trouble = byId("trouble");
const cells = [...document.querySelectorAll("tbody td:nth-child(2)")];
let number = Number(root.dataset.number);

// The slices that were looked at last, as promises.
const slices = new Map();

function address(kind, slice) {
  return root.dataset.pictures.replace("/0/KIND", "/" + slice + "/" + kind);
}

function load(wanted) {
  const known = slices.get(wanted) ?? read(wanted);
  slices.delete(wanted);
  slices.set(wanted, known);
  if (slices.size > KEPT_SLICES) slices.delete(slices.keys().next().value);
  return known;
}

/** The result is not there any more: the page of the server says so. */
class Gone extends Error {}

async function read(wanted) {
  const kinds = ["original", "probability"];
  const [gray, probability] = await Promise.all(kinds.map((kind) => fetchPng(address(kind, wanted))));
  if (gray === null || probability === null) throw new Gone();
  return {
    name: String(wanted),
    width: gray.width,
    height: gray.height,
    gray: gray.values,
    steps: probability.values,
    why: address("why", wanted),
  };
}

function preload(wanted) {
  // What cannot be fetched is asked for again when it is wanted.
  if (wanted >= 1 && wanted <= count) load(wanted).catch(() => slices.delete(wanted));
}

// What the server says at a threshold, by threshold; that of the page is there already.
const levels = new Map();

async function levelAt(threshold) {
  if (!levels.has(threshold)) {
    const response = await fetch(root.dataset.figures + "?threshold=" + threshold, { cache: "no-store" });
    if (response.status === 404) throw new Gone();
    if (!response.ok) throw new Error(String(response.status));
    levels.set(threshold, await response.json());
  }
  return levels.get(threshold);
}

let asking = 0;
let asked = Number(root.dataset.threshold);
let told = asked;

/** Have the figures follow the threshold, once it stays for a moment. */
function follow(threshold) {
  if (threshold === asked) return;
  asked = threshold;
  window.clearTimeout(asking);
  asking = window.setTimeout(async () => {
    try {
      const level = await levelAt(threshold);
      if (threshold === asked) tell(level);
    } catch (error) {
      fail(error, "The figures are still those of threshold " + told + ": the server does not answer. Move the threshold to try again.");
      asked = NaN;
    }
  }, ASK_AFTER_MS);
}

/** Say what could not be fetched: what is seen stays as it is, and can be tried again. */
function fail(error, sentence) {
  if (error instanceof Gone) window.location.reload();
  else trouble.textContent = sentence;
}

function tell(level) {
  trouble.textContent = "";
  told = level.threshold;
  byId("sentence").textContent = level.sentence;
  byId("at-threshold").textContent = String(level.threshold);
  for (const [label, value] of level.lines) document.querySelector('[data-line="' + label + '"]').textContent = value;
  level.slices.forEach((sentence, index) => (cells[index].textContent = sentence));
  level.chart.forEach((height, index) => {
    const bar = bars[index].querySelector(".bar");
    bar.setAttribute("y", String(100 - height));
    bar.setAttribute("height", String(height));
  });
  byId("chart-says").textContent = level.chart_says;
  root.dataset.told = String(level.threshold);
  tellSlice(level.sentence + " ");
}

function tellSlice(before = "") {
  const sentence = cells[number - 1].textContent;
  byId("shown").textContent = sentence;
  slider.setAttribute("aria-valuetext", "Slice " + number + " of " + count + ". " + sentence);
  viewer.say(before + sentence);
}

function show(wanted) {
  const next = Math.min(Math.max(Math.round(wanted), 1), count);
  if (!Number.isFinite(next) || next === number) return;
  const step = Math.sign(next - number);
  trouble.textContent = "";
  mark(next);
  draw(step);
}

/** Have everything but the pictures be of a slice. */
function mark(next) {
  bars[number - 1].classList.remove("here");
  number = next;
  bars[number - 1].classList.add("here");
  field.value = slider.value = String(number);
  for (const place of document.querySelectorAll(".at")) place.textContent = String(number);
  for (const end of ["x1", "x2"]) here.setAttribute(end, String(10 * number - 5));
  keep.href = address("overlay", number) + new URL(keep.href).search;
  tellSlice();
  viewer.write();
}

/** Links open, in another tab, what is seen here. */
function writeLinks(addressAt) {
  const at = (slice) => addressAt({ slice: String(Math.min(Math.max(slice, 1), count)) });
  before.href = at(number - 1);
  after.href = at(number + 1);
  bars.forEach((bar, index) => bar.setAttribute("href", at(index + 1)));
  rows.forEach((link, index) => (link.href = at(index + 1)));
}

let isDrawing = false;
let drawn = number;

/** Draw the slice that is wanted; of those that are passed while one loads, the last. */
async function draw(step) {
  if (isDrawing) return;
  isDrawing = true;
  let wanted = 0;
  try {
    while (wanted !== number) {
      wanted = number;
      viewer.show(await load(wanted), "Slice " + wanted + ". ");
      drawn = wanted;
    }
    preload(number + step);
  } catch (error) {
    slices.delete(wanted);
    mark(drawn);
    fail(error, "Slice " + wanted + " could not be loaded: the server does not answer. Choose it again to try again.");
  } finally {
    isDrawing = false;
  }
}

function addSlider() {
  const range = document.createElement("input");
  range.type = "range";
  range.id = "slider";
  range.min = "1";
  range.max = String(count);
  range.value = String(number);
  range.setAttribute("aria-label", "Slice, from the feet to the head");
  byId("stepper").append(range);
  range.addEventListener("input", () => show(Number(range.value)));
  return range;
}

// On the whole page two keys; the others scroll it, unless the pictures or the slider have the focus.
const keysAnywhere = {
  ArrowRight: () => number + 1,
  ArrowLeft: () => number - 1,
};
const keys = {
  ...keysAnywhere,
  ArrowUp: () => number + 1,
  ArrowDown: () => number - 1,
  PageUp: () => number + 10,
  PageDown: () => number - 10,
  Home: () => 1,
  End: () => count,
};

function onKey(event) {
  const isField = event.target !== slider && event.target.matches?.("input, select, textarea");
  const isViewer = event.target === slider || event.target === pictures;
  const known = isViewer ? keys : keysAnywhere;
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || isField || !(event.key in known)) return;
  event.preventDefault();
  show(known[event.key]());
}

let wheeled = 0;

function onWheel(event) {
  // With Ctrl it zooms.
  if (event.ctrlKey) return;
  event.preventDefault();
  // A notch of a wheel is about 100; a trackpad sends many small steps.
  wheeled += event.deltaMode === 0 ? event.deltaY : 100 * Math.sign(event.deltaY);
  const steps = Math.trunc(wheeled / 50);
  if (steps === 0) return;
  wheeled = 0;
  show(number - Math.sign(steps));
}

function onClick(element, wanted) {
  element.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(wanted());
  });
}

function showTyped() {
  if (field.value !== "") show(Number(field.value));
  field.value = String(number);
}

// Where something cannot be fetched, the page stays as the server made it, and works.
const [colours, first] = await Promise.all([fetchColours(root.dataset.colourTables), load(number)]);
const viewer = new Viewer(root, colours, {
  onThreshold: (mask, state) => follow(state.threshold),
  last: () => ({ slice: String(number) }),
  onWrite: writeLinks,
});
const slider = addSlider();
pictures.tabIndex = 0;
tellSlice();
viewer.show(first, "Slice " + number + ". ");
document.addEventListener("keydown", onKey);
pictures.addEventListener("wheel", onWheel, { passive: false });
field.addEventListener("change", showTyped);
onClick(before, () => number - 1);
onClick(after, () => number + 1);
bars.forEach((bar, index) => onClick(bar, () => index + 1));
rows.forEach((link, index) => onClick(link, () => index + 1));
preload(number + 1);
preload(number - 1);
