// Zoom and pan by wheel, finger and pen. Tells where to look; who listens moves the pictures.
"use strict";

import { FIT, within } from "./state.js";

const STEP = 1.25;
const LEAST_MOVE_PX = 4;
const PAN_SHARE = 0.15;

export class Zoom {
  /** frames: what clips the pictures. onMove: called with {zoom, x, y}, x and y the middle of what is seen. */
  constructor(frames, place, onMove) {
    this.place = within(place);
    this.frames = frames;
    this.onMove = onMove;
    this.pointers = new Map();
    for (const frame of frames) this.listen(frame);
    this.apply();
  }

  listen(frame) {
    frame.addEventListener("wheel", (event) => this.wheel(event, frame), { passive: false });
    frame.addEventListener("pointerdown", (event) => this.press(event, frame));
    frame.addEventListener("pointermove", (event) => this.drag(event, frame));
    for (const kind of ["pointerup", "pointercancel"]) {
      frame.addEventListener(kind, (event) => this.release(event, frame));
    }
  }

  apply() {
    const { zoom, x, y } = this.place;
    for (const frame of this.frames) {
      frame.classList.toggle("zoomed", zoom > 1);
      frame.firstElementChild.style.transform =
        "translate(" + 100 * (0.5 - x * zoom) + "%, " + 100 * (0.5 - y * zoom) + "%) scale(" + zoom + ")";
    }
  }

  moveTo(place) {
    this.place = within(place);
    this.apply();
    this.onMove(this.place);
  }

  fit() {
    this.moveTo(FIT);
  }

  closer(steps = 1) {
    this.moveTo({ ...this.place, zoom: this.place.zoom * STEP ** steps });
  }

  /** Move by so many shares of what is seen. */
  pan(right, down) {
    const share = PAN_SHARE / this.place.zoom;
    this.moveTo({ ...this.place, x: this.place.x + right * share, y: this.place.y + down * share });
  }

  /** Magnify, what lies under a point of the screen staying there. */
  magnify(factor, event, frame) {
    const { zoom, x, y } = this.place;
    const [across, down] = shareOf(event, frame);
    const next = within({ ...this.place, zoom: zoom * factor }).zoom;
    const keep = (place, share) => place + (share - 0.5) * (1 / zoom - 1 / next);
    this.moveTo({ zoom: next, x: keep(x, across), y: keep(y, down) });
  }

  wheel(event, frame) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const notches = event.deltaMode === 0 ? event.deltaY / 100 : Math.sign(event.deltaY);
    this.magnify(STEP ** -Math.min(Math.max(notches, -3), 3), event, frame);
  }

  press(event, frame) {
    if (event.button !== 0) return;
    frame.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
    this.hasMoved = this.pointers.size > 1;
    this.pressed = event;
  }

  drag(event, frame) {
    const before = this.pointers.get(event.pointerId);
    if (before === undefined) return;
    if (distance(event, this.pressed) > LEAST_MOVE_PX) this.hasMoved = true;
    if (!this.hasMoved) return;
    const others = [...this.pointers.values()].filter((pointer) => pointer.pointerId !== event.pointerId);
    if (others.length === 1) this.pinch(before, event, others[0], frame);
    this.slide((event.clientX - before.clientX) / this.pointers.size, (event.clientY - before.clientY) / this.pointers.size, frame);
    this.pointers.set(event.pointerId, event);
  }

  pinch(before, now, other, frame) {
    const middle = { clientX: (now.clientX + other.clientX) / 2, clientY: (now.clientY + other.clientY) / 2 };
    this.magnify(distance(now, other) / Math.max(distance(before, other), 1), middle, frame);
  }

  slide(right, down, frame) {
    const { zoom, x, y } = this.place;
    const box = frame.getBoundingClientRect();
    this.moveTo({ zoom, x: x - right / (box.width * zoom), y: y - down / (box.height * zoom) });
  }

  /** A click without a drag brings its place to the middle: all can be reached without dragging. */
  release(event, frame) {
    if (!this.pointers.delete(event.pointerId) || this.hasMoved || event.type === "pointercancel") return;
    const { zoom, x, y } = this.place;
    if (zoom === 1) return;
    const [across, down] = shareOf(event, frame);
    this.moveTo({ zoom, x: x + (across - 0.5) / zoom, y: y + (down - 0.5) / zoom });
  }
}

function shareOf(event, frame) {
  const box = frame.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

function distance(one, other) {
  return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
}
