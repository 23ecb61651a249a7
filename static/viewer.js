// The pictures of a slice and their controls: one state, drawn in the browser, kept in the address.
"use strict";

import * as draw from "./draw.js";
import { Explanation } from "./explain.js";
import { maskOf } from "./measure.js";
import { readPng } from "./png.js";
import { addressOf, drawing, FIT, readState, writeState } from "./state.js";
import { Zoom } from "./zoom.js";

const SPEAK_AFTER_MS = 700;
const WRITE_AFTER_MS = 150;
const KEYS_OFF = "groundglass-keys-off";

const byId = (id) => document.getElementById(id);

/** Fetch one of the server's pictures and read its numbers; null where there is none. */
export async function fetchPng(address) {
  const response = await fetch(address, { cache: "no-store" });
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(address + ": " + response.status);
  return readPng(await response.arrayBuffer());
}

/** Fetch the colours of the heat maps and of the outline. */
export async function fetchColours(address) {
  const { maps, outline, rim } = await (await fetch(address)).json();
  const tables = Object.entries(maps).map(([name, text]) => [name, bytesOf(text)]);
  return { maps: Object.fromEntries(tables), outline, rim };
}

export class Viewer {
  /**
   * root: the element with the state. colours: see fetchColours. last: what comes at the end of the address.
   * onThreshold: called with the mask when threshold or slice have changed. onWrite: called with a function that gives
   * the address of what is seen, its argument at the end, when links to it are to be renewed.
   */
  constructor(root, colours, { onThreshold, last = () => ({}), onWrite = () => {} }) {
    this.root = root;
    this.colours = colours;
    this.onThreshold = onThreshold;
    this.last = last;
    this.onWrite = onWrite;
    this.state = readState(root.dataset);
    this.usual = { ...JSON.parse(root.dataset.usual), ...FIT };
    this.slice = null;
    this.sentence = "";
    this.labels = JSON.parse(root.dataset.labels);
    this.explanation = new Explanation(byId("reason"), byId("overlay"), () => this.redraw());
    this.left = canvasFor(byId("original"));
    this.right = canvasFor(byId("overlay"));
    const frames = [this.left.parentElement, this.right.parentElement];
    this.zoom = new Zoom(frames, this.state, (place) => this.change(place));
    this.bindControls();
    this.bindKeys();
    this.showControls();
  }

  /** Show a slice: {name, width, height, gray, steps, why}; what it is called goes before each label. */
  show(slice, called = "") {
    this.slice = slice;
    this.called = called;
    this.measured = null;
    this.redraw();
  }

  change(changes) {
    Object.assign(this.state, changes);
    this.showControls();
    this.redraw();
    this.write();
  }

  /** Keep the state in the address, and in links that open it elsewhere, once it stays for a moment. */
  write() {
    window.clearTimeout(this.writing);
    // Browsers refuse an address that changes too often.
    this.writing = window.setTimeout(() => {
      this.writeLinks();
      writeState(this.state, this.usual, this.last());
    }, WRITE_AFTER_MS);
  }

  writeLinks() {
    for (const link of this.looks()) {
      link.href = addressOf({ ...this.state, view: link.dataset.look }, this.usual, this.last());
    }
    this.onWrite((last) => addressOf(this.state, this.usual, last));
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = window.requestAnimationFrame(() => {
      this.waiting = 0;
      if (this.slice !== null) this.paint();
    });
  }

  paint() {
    const { slice, state } = this;
    if (this.measured !== state.threshold) {
      this.mask = maskOf(slice.steps, state.threshold);
      this.measured = state.threshold;
      this.onThreshold(this.mask, state);
    }
    if (["side", "original"].includes(state.view)) fill(this.left, slice, draw.original(slice));
    if (state.view === "why") this.explain();
    else this.explanation.leave();
    if (!["why", "original"].includes(state.view)) fill(this.right, slice, this.drawn());
    this.label();
    this.root.dataset.drawn = slice.name + " " + JSON.stringify(drawing(state)) + " " + state.view;
  }

  drawn() {
    const { slice, state, mask, colours } = this;
    if (state.view === "mask") return draw.mask(slice, mask);
    if (state.view === "heat") return draw.heat(slice, colours.maps[state.colours]);
    return draw.overlay(slice, mask, state, colours);
  }

  /** Draw what the server explains; until it has, or where it does not, the slice alone. */
  explain() {
    this.explanation.want(this.reason());
    const { picture } = this.explanation;
    if (picture === null) fill(this.right, this.slice, draw.original(this.slice));
    else copy(this.right, this.slice, picture);
    this.root.dataset.explained = picture === null ? "" : this.explanation.address;
  }

  /** Where the server explains what is seen. */
  reason() {
    return this.slice.why + "?threshold=" + this.state.threshold;
  }

  label() {
    const { view } = this.state;
    const isUnexplained = view === "why" && this.explanation.picture === null;
    const kind = isUnexplained ? "original" : view === "side" ? "overlay" : view;
    this.left.setAttribute("aria-label", this.called + this.labels.original);
    this.right.setAttribute("aria-label", this.called + this.labels[kind] + " " + this.sentence);
  }

  /** Say what is shown: in the place of the pictures now, aloud once it stays so. */
  say(sentence) {
    this.sentence = sentence;
    if (this.slice !== null) this.label();
    window.clearTimeout(this.speaking);
    const spoken = byId("spoken");
    if (spoken.textContent === sentence) return;
    this.speaking = window.setTimeout(() => (spoken.textContent = sentence), SPEAK_AFTER_MS);
  }

  bindControls() {
    for (const name of ["threshold", "opacity"]) this.addSlider(byId(name), name);
    byId("colours").addEventListener("change", (event) => this.change({ colours: event.target.value }));
    byId("outline").addEventListener("change", (event) => this.change({ outline: event.target.checked }));
    for (const link of this.looks()) {
      link.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        this.change({ view: link.dataset.look });
      });
    }
    byId("apply").hidden = true;
    byId("look").addEventListener("submit", (event) => event.preventDefault());
    byId("zooming").hidden = false;
    byId("closer").addEventListener("click", () => this.zoom.closer());
    byId("farther").addEventListener("click", () => this.zoom.closer(-1));
    byId("fit").addEventListener("click", () => this.zoom.fit());
  }

  /** Beside a field for a number, which works by itself, a slider. */
  addSlider(field, name) {
    const slider = document.createElement("input");
    slider.type = "range";
    for (const end of ["min", "max", "step"]) slider[end] = field[end];
    slider.id = name + "-slider";
    slider.setAttribute("aria-label", field.labels[0].textContent.trim());
    field.before(slider);
    slider.addEventListener("input", () => this.change({ [name]: Number(slider.value) }));
    field.addEventListener("change", () => {
      const typed = field.value === "" ? NaN : Number(field.value);
      const fit = Math.min(Math.max(Math.round(typed * 100) / 100, Number(field.min)), Number(field.max));
      if (Number.isFinite(fit)) this.change({ [name]: fit });
      else this.showControls();
    });
  }

  looks() {
    return [...document.querySelectorAll("[data-look]")];
  }

  showControls() {
    const { state } = this;
    this.root.dataset.view = state.view;
    for (const link of this.looks()) {
      if (link.dataset.look === state.view) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    for (const name of ["threshold", "opacity"]) {
      const field = byId(name);
      const slider = byId(name + "-slider");
      // What is being typed is left alone.
      if (Number(field.value) !== state[name]) field.value = String(state[name]);
      slider.value = String(state[name]);
      slider.setAttribute("aria-valuetext", String(state[name]));
    }
    byId("colours").value = state.colours;
    byId("outline").checked = state.outline;
    byId("magnified").textContent = Math.round(100 * state.zoom) + " %";
    this.showLegend();
    this.showLinks();
  }

  showLegend() {
    const { threshold } = this.state;
    const legend = byId("legend");
    const place = 100 * threshold + "%";
    legend.querySelector("line").setAttribute("x1", place);
    legend.querySelector("line").setAttribute("x2", place);
    const text = byId("legend-threshold");
    text.setAttribute("x", place);
    text.setAttribute("text-anchor", threshold < 0.2 ? "start" : threshold > 0.8 ? "end" : "middle");
    text.textContent = "threshold " + threshold;
    legend.setAttribute(
      "aria-label",
      "Colours from probability 0 to 1, the threshold marked at " + threshold + ".",
    );
    const table = this.colours.maps[this.state.colours];
    const stops = [...legend.querySelectorAll("stop")];
    stops.forEach((stop, index) => {
      const at = 3 * Math.round((255 * index) / (stops.length - 1));
      stop.setAttribute("stop-color", "rgb(" + table.slice(at, at + 3).join(" ") + ")");
    });
  }

  /** Files to keep are those of what is seen. */
  showLinks() {
    for (const link of document.querySelectorAll("[data-keep]")) {
      const options = new URL(link.href).searchParams;
      for (const [name, value] of Object.entries(drawing(this.state))) options.set(name, value);
      link.href = link.href.split("?")[0] + "?" + options;
    }
    const moved = this.state.threshold !== this.usual.threshold;
    for (const note of document.querySelectorAll("[data-when-moved]")) note.hidden = !moved;
  }

  bindKeys() {
    const box = byId("keys-on");
    byId("keys").hidden = false;
    box.checked = !stored(KEYS_OFF);
    box.addEventListener("change", () => store(KEYS_OFF, !box.checked));
    document.addEventListener("keydown", (event) => {
      const isTyping = event.target.matches?.("input:not([type=checkbox], [type=range]), select, textarea");
      const isLetter = event.key.length === 1;
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping || (isLetter && !box.checked)) return;
      const name = isLetter ? event.key.toLowerCase() : event.shiftKey ? "Shift+" + event.key : "";
      const action = this.keys()[name];
      if (!action) return;
      event.preventDefault();
      action();
    });
  }

  keys() {
    const looks = this.looks().map((link) => [KEY_OF_VIEW[link.dataset.look], () => link.click()]);
    return {
      ...Object.fromEntries(looks),
      "+": () => this.zoom.closer(),
      "=": () => this.zoom.closer(),
      "-": () => this.zoom.closer(-1),
      0: () => this.zoom.fit(),
      "Shift+ArrowLeft": () => this.zoom.pan(-1, 0),
      "Shift+ArrowRight": () => this.zoom.pan(1, 0),
      "Shift+ArrowUp": () => this.zoom.pan(0, -1),
      "Shift+ArrowDown": () => this.zoom.pan(0, 1),
      "?": () => {
        byId("keys").open = !byId("keys").open;
        byId("keys").querySelector("summary").focus();
      },
    };
  }
}

const KEY_OF_VIEW = { side: "s", original: "o", overlay: "v", mask: "m", heat: "h", why: "w" };

/** Put a canvas, in a frame that clips it, in the place of a picture that the server drew. */
function canvasFor(image) {
  const canvas = document.createElement("canvas");
  canvas.id = image.id;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", image.alt);
  canvas.width = canvas.height = 0;
  const frame = document.createElement("div");
  frame.className = "frame";
  const box = image.closest(".slice");
  frame.style.setProperty("--ratio", box.dataset.ratio);
  frame.append(canvas);
  box.querySelector("svg, a").replaceWith(frame);
  return canvas;
}

function fill(canvas, slice, pixels) {
  const image = new ImageData(pixels, slice.width, slice.height);
  sized(canvas, slice).putImageData(image, 0, 0);
}

function copy(canvas, slice, picture) {
  sized(canvas, slice).drawImage(picture, 0, 0, slice.width, slice.height);
}

function sized(canvas, { width, height, name }) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.dataset.slice = name;
  return canvas.getContext("2d");
}

function bytesOf(text) {
  return Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
}

// A browser may forbid pages to remember anything.
function stored(name) {
  try {
    return window.localStorage.getItem(name) === "1";
  } catch {
    return false;
  }
}

function store(name, is) {
  try {
    if (is) window.localStorage.setItem(name, "1");
    else window.localStorage.removeItem(name);
  } catch {
    // It is asked for again next time.
  }
}
