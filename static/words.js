// Figures as the server says them: the same words as webapp/words.py.
"use strict";

/** A number with one decimal; what lies in the middle goes to the even one, as the server rounds. */
function withOneDecimal(value) {
  // Only quarters lie exactly between two tenths.
  const isBetween = Math.abs((4 * value) % 2) === 1;
  const below = Math.floor(10 * value);
  return isBetween ? ((below % 2 === 0 ? below : below + 1) / 10).toFixed(1) : value.toFixed(1);
}

export function percent(value) {
  if (value === null) return "unknown";
  return value > 0 && value < 0.05 ? "less than 0.1 %" : withOneDecimal(value) + " %";
}

export function count(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

export function summary(measured) {
  const places = measured.lesion_count === 1 ? "1 place" : measured.lesion_count + " places";
  if (measured.lesion_count === 0) return "No lesion found at this threshold.";
  if (measured.lesion_percent_of_lung === null) {
    return "Lesions cover " + percent(measured.lesion_percent_of_image) + " of the picture in " + places + ".";
  }
  return "Lesions cover " + percent(measured.lesion_percent_of_lung) + " of the visible lung in " + places + ".";
}

export function figures(measured) {
  return {
    share: percent(measured.lesion_percent_of_lung),
    share_of: shareOf(measured),
    count: count(measured.lesion_count),
    largest: measured.lesion_count ? "largest " + count(measured.largest_lesion_px) + " px" : "",
    area: count(measured.lesion_area_px) + " px",
    picture: percent(measured.lesion_percent_of_image),
  };
}

function shareOf(measured) {
  if (measured.lung_area_px === null) return "This network marks lesions only, not the lung.";
  if (measured.lung_area_px === 0) {
    return "No lung was found in this picture. Is it a chest CT slice in a lung window?";
  }
  return "of " + count(measured.lung_area_px) + " px of lung in this slice";
}
