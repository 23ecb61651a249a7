// Tells how far a volume is, and leads to it when it is done. Without this script the page loads itself again.
"use strict";

const job = document.getElementById("job");
const sentence = document.getElementById("sentence");
const again = document.getElementById("again");
const bar = document.getElementById("progress");

async function ask() {
  try {
    const response = await fetch(job.dataset.address, { cache: "no-store" });
    const status = await response.json();
    if (!response.ok || status.state === "done" || status.state === "failed") {
      window.location.reload();
      return;
    }
    // Only what is new is read out.
    if (sentence.textContent !== status.progress) sentence.textContent = status.progress;
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
