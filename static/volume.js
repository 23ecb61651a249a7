// Goes through the slices of a volume without loading the page again. Without this script every slice is a page.
"use strict";

const viewer = document.getElementById("viewer");
const count = Number(viewer.dataset.count);
const field = document.getElementById("slice");
const shown = document.getElementById("shown");
const keep = document.getElementById("keep");
const at = document.getElementById("at");
const here = document.getElementById("here");
const kinds = ["original", "overlay"];
const bars = Array.from(document.querySelectorAll("#chart a"));
const summaries = Array.from(document.querySelectorAll("tbody td:nth-child(2)"), (cell) => cell.textContent);
let number = Number(viewer.dataset.number);

const slider = document.createElement("input");
slider.type = "range";
slider.id = "slider";
slider.min = "1";
slider.max = String(count);
slider.value = String(number);
slider.setAttribute("aria-label", "Slice, from the feet to the head");
document.getElementById("stepper").append(slider);
document.getElementById("show").hidden = true;

function address(kind, slice) {
  return viewer.dataset.pictures.replace("/0/KIND", "/" + slice + "/" + kind);
}

function preload(slice) {
  if (slice < 1 || slice > count) return;
  for (const kind of kinds) new Image().src = address(kind, slice);
}

function show(wanted) {
  const next = Math.min(Math.max(Math.round(wanted), 1), count);
  if (!Number.isFinite(next) || next === number) return;
  bars[number - 1].classList.remove("here");
  const step = Math.sign(next - number);
  number = next;
  bars[number - 1].classList.add("here");
  for (const kind of kinds) {
    const image = document.getElementById(kind);
    image.src = address(kind, number);
    image.alt = "Slice " + number + (kind === "original" ? " as it was read." : " with lesions coloured by probability.");
  }
  field.value = slider.value = at.textContent = String(number);
  for (const end of ["x1", "x2"]) here.setAttribute(end, String(10 * number - 5));
  slider.setAttribute("aria-valuetext", "Slice " + number + " of " + count + ". " + summaries[number - 1]);
  shown.textContent = summaries[number - 1];
  keep.href = address("overlay", number) + "?download=1";
  window.history.replaceState(null, "", "?slice=" + number);
  preload(number + step);
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

document.addEventListener("keydown", (event) => {
  const isField = event.target instanceof HTMLInputElement && event.target.type === "number";
  const isViewer = event.target === slider || event.target === pictures;
  const known = isViewer ? keys : keysAnywhere;
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || isField || !(event.key in known)) return;
  event.preventDefault();
  show(known[event.key]());
});

const pictures = document.getElementById("pictures");
pictures.tabIndex = 0;
let wheeled = 0;
pictures.addEventListener(
  "wheel",
  (event) => {
    if (event.ctrlKey) return;
    event.preventDefault();
    // A notch of a wheel is about 100; a trackpad sends many small steps.
    wheeled += event.deltaMode === 0 ? event.deltaY : 100 * Math.sign(event.deltaY);
    const steps = Math.trunc(wheeled / 50);
    if (steps === 0) return;
    wheeled = 0;
    show(number - Math.sign(steps));
  },
  { passive: false },
);

slider.addEventListener("input", () => show(Number(slider.value)));
function showTyped() {
  if (field.value !== "") show(Number(field.value));
  field.value = String(number);
}

field.addEventListener("change", showTyped);
document.getElementById("stepper").addEventListener("submit", (event) => {
  event.preventDefault();
  showTyped();
});
for (const link of document.querySelectorAll("#stepper a")) {
  const step = link === document.querySelector("#stepper a") ? -1 : 1;
  link.addEventListener("click", (event) => {
    event.preventDefault();
    show(number + step);
  });
}
for (const [index, bar] of bars.entries()) {
  bar.addEventListener("click", (event) => {
    event.preventDefault();
    show(index + 1);
  });
}
for (const link of document.querySelectorAll("tbody a")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    show(Number(link.textContent));
  });
}
preload(number + 1);
preload(number - 1);
