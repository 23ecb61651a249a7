// Tells how far a volume is, and leads to it when it is done. Without this script the page loads itself again.
"use strict";

const job = document.getElementById("job");
const sentence = document.getElementById("sentence");
const again = document.getElementById("again");
const bar = document.getElementById("progress");

function duration(seconds) {
  if (seconds < 55) return "about " + Math.max(5, 5 * Math.round(seconds / 5)) + " seconds";
  const minutes = Math.ceil(seconds / 60);
  return "about " + minutes + (minutes === 1 ? " minute" : " minutes");
}

function say(status) {
  if (status.state === "queued") {
    return status.place > 1 ? "Number " + status.place + " in the queue." : "Next in the queue.";
  }
  if (status.slices === null) return "Opening the files.";
  if (status.slices_done === status.slices) {
    return "All " + status.slices + " slices are done; the files are being written.";
  }
  const left = status.seconds_left === null ? "" : ", " + duration(status.seconds_left) + " left";
  return status.slices_done + " of " + status.slices + " slices are done" + left + ".";
}

async function ask() {
  try {
    const response = await fetch(job.dataset.address, { cache: "no-store" });
    const status = await response.json();
    if (!response.ok || status.state === "done" || status.state === "failed") {
      window.location.reload();
      return;
    }
    const text = say(status);
    // Only what is new is read out.
    if (sentence.textContent !== text) sentence.textContent = text;
    again.hidden = status.attempts <= (status.state === "queued" ? 0 : 1);
    // A bar that only moves would tell nothing.
    bar.hidden = !status.slices;
    if (status.slices) {
      bar.max = status.slices;
      bar.value = status.slices_done;
    }
  } catch {
    sentence.textContent = "The server does not answer; trying again.";
  }
  window.setTimeout(ask, Number(job.dataset.everyMs) / 2);
}

window.setTimeout(ask, Number(job.dataset.everyMs) / 2);
