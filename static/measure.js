// What a slice shows at a threshold: the same figures as model/findings.py, from the same kept numbers.
"use strict";

export const STEPS = 65535;

/** The least kept number that is lesion at a threshold. The server compares numbers of single precision. */
export function firstStep(threshold) {
  const cut = Math.fround(threshold);
  let step = Math.max(Math.floor(threshold * STEPS) - 2, 0);
  while (Math.fround(step / STEPS) < cut) step++;
  return step;
}

/** Which pixels are lesion: 1 or 0 for each of the kept numbers. */
export function maskOf(steps, threshold) {
  const first = firstStep(threshold);
  const mask = new Uint8Array(steps.length);
  for (let index = 0; index < steps.length; index++) mask[index] = steps[index] >= first ? 1 : 0;
  return mask;
}

/** Measure a mask. lung: not 0 where the network marks lung; null where it tells none. */
export function measure(mask, lung, width, height) {
  const areas = lesionAreas(mask, width, height);
  const area = areas.reduce((sum, one) => sum + one, 0);
  const lungArea = lung === null ? null : lungAreaOf(mask, lung);
  return {
    width_px: width,
    height_px: height,
    lesion_area_px: area,
    lesion_percent_of_image: (100 * area) / mask.length,
    lesion_count: areas.length,
    largest_lesion_px: areas.reduce((most, one) => Math.max(most, one), 0),
    lung_area_px: lungArea,
    lesion_percent_of_lung: lungArea ? (100 * area) / lungArea : null,
  };
}

function lungAreaOf(mask, lung) {
  let area = 0;
  for (let index = 0; index < mask.length; index++) if (mask[index] || lung[index]) area++;
  return area;
}

/** The area of each lesion: of the pixels that touch by side or corner. Goes by runs of pixels, line by line. */
export function lesionAreas(mask, width, height) {
  const parents = [];
  const sizes = [];
  let above = [];
  for (let row = 0; row < height; row++) {
    const runs = runsOf(mask, row * width, width);
    let first = 0;
    for (const run of runs) {
      run.number = parents.push(parents.length) - 1;
      sizes.push(run.end - run.start + 1);
      while (first < above.length && above[first].end < run.start - 1) first++;
      for (let index = first; index < above.length && above[index].start <= run.end + 1; index++) {
        join(parents, run.number, above[index].number);
      }
    }
    above = runs;
  }
  const areas = new Map();
  sizes.forEach((size, number) => {
    const root = rootOf(parents, number);
    areas.set(root, (areas.get(root) ?? 0) + size);
  });
  return [...areas.values()];
}

function runsOf(mask, from, width) {
  const runs = [];
  for (let column = 0; column < width; column++) {
    if (!mask[from + column]) continue;
    const start = column;
    while (column + 1 < width && mask[from + column + 1]) column++;
    runs.push({ start, end: column, number: 0 });
  }
  return runs;
}

function join(parents, one, other) {
  const roots = [rootOf(parents, one), rootOf(parents, other)];
  parents[Math.max(...roots)] = Math.min(...roots);
}

function rootOf(parents, number) {
  while (parents[number] !== number) {
    // Halving the path keeps it short.
    parents[number] = parents[parents[number]];
    number = parents[number];
  }
  return number;
}
