// How a result is looked at, kept in the address: the same address shows the same.
"use strict";

export const FIT = { zoom: 1, x: 0.5, y: 0.5 };
export const MOST_ZOOM = 16;

/** What the server made of the address, and what only scripts know of it. */
export function readState(data) {
  const options = new URLSearchParams(window.location.search);
  const number = (name) => (options.has(name) ? Number(options.get(name)) : FIT[name]);
  return {
    view: data.view,
    threshold: Number(data.threshold),
    opacity: Number(data.opacity),
    colours: data.colours,
    outline: data.outline === "1",
    ...within({ zoom: number("zoom"), x: number("x"), y: number("y") }),
  };
}

/** A place in the picture, 0 to 1, brought so that what is shown lies in it. */
export function within({ zoom, x, y }) {
  const magnified = Math.min(Math.max(zoom || 1, 1), MOST_ZOOM);
  const edge = 0.5 / magnified;
  const inside = (place) => Math.min(Math.max(Number.isFinite(place) ? place : 0.5, edge), 1 - edge);
  return { zoom: magnified, x: inside(x), y: inside(y) };
}

/** The options that draw a picture like this. */
export function drawing(state) {
  return {
    threshold: String(state.threshold),
    opacity: String(state.opacity),
    colours: state.colours,
    outline: state.outline ? "1" : "0",
  };
}

/** The address of a state, what is usual left out; options of others stay, "last" comes at the end. */
export function addressOf(state, usual, last = {}) {
  const options = new URLSearchParams(window.location.search);
  const shown = { view: state.view, ...drawing(state), ...placeOf(state) };
  const left = { view: usual.view, ...drawing(usual), ...placeOf(usual) };
  for (const [name, value] of Object.entries(shown)) {
    options.delete(name);
    if (value !== left[name]) options.set(name, value);
  }
  for (const [name, value] of Object.entries(last)) {
    options.delete(name);
    options.set(name, value);
  }
  const text = options.toString();
  return window.location.pathname + (text && "?" + text);
}

export function writeState(state, usual, last) {
  try {
    window.history.replaceState(null, "", addressOf(state, usual, last));
  } catch {
    // The browser has had enough changes for now; the next one is written again.
  }
}

function placeOf({ zoom, x, y }) {
  const short = (value) => String(Number(value.toFixed(3)));
  return { zoom: short(zoom), x: short(x), y: short(y) };
}
