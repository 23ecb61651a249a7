// Dropping and pasting files, and progress while they are sent and read. Without this script the forms work as plain forms.
"use strict";

const form = document.getElementById("upload");
const examples = document.getElementById("examples");
const drop = document.getElementById("drop");
const file = document.getElementById("file");
const threshold = document.getElementById("threshold");
const thresholdError = document.getElementById("threshold-error");
const statusBox = document.getElementById("status");
const message = document.getElementById("message");
const bar = document.getElementById("progress");
const meanwhile = document.getElementById("meanwhile");
const wait = document.getElementById("come-back");
const resend = document.getElementById("resend");
const buttons = [form.querySelector("button[type=submit]"), ...examples.querySelectorAll("button")];
let isSending = false;
let stopClock = () => {};

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(1) + " MB";
}

function total(files) {
  return Array.from(files).reduce((sum, chosen) => sum + chosen.size, 0);
}

// What is told in the status box: a sentence, a bar or none, and how long it takes.
function say(sentence, { share = null, detail = "", tone = "" } = {}) {
  statusBox.hidden = false;
  // Only what is new is read out.
  if (message.textContent !== sentence) message.textContent = sentence;
  message.className = tone;
  bar.hidden = share === null;
  bar.value = share === null ? 0 : share;
  meanwhile.textContent = detail;
  wait.textContent = "";
  resend.hidden = true;
}

function setSending(sending) {
  isSending = sending;
  for (const button of buttons) button.disabled = sending;
  if (sending) file.removeAttribute("aria-invalid");
  stopClock();
}

function refuse(sentence) {
  setSending(false);
  file.setAttribute("aria-invalid", "true");
  say(sentence, { tone: "failure" });
}

function beBusy(sentence, seconds) {
  setSending(false);
  say(sentence, { tone: "caution" });
  stopClock = countDown(wait, seconds);
  resend.hidden = false;
}

function showProgress(event) {
  if (!event.lengthComputable) return;
  if (event.loaded < event.total) {
    say("Uploading", {
      share: event.loaded / event.total,
      detail: megabytes(event.loaded) + " of " + megabytes(event.total),
    });
  } else {
    showReading();
  }
}

// The server has all of it and reads: the bar fills by what the last slices took, where any was read.
function showReading() {
  stopClock();
  const usual = Number(document.getElementById("quality").checked ? form.dataset.secondsQuality : form.dataset.seconds);
  const began = Date.now();
  function tell() {
    const seconds = (Date.now() - began) / 1000;
    const lately = usual ? "The last slices took " + usual.toFixed(1) + " s each; " : "";
    say("Reading the slice", {
      share: usual ? Math.min(0.95, seconds / usual) : null,
      detail: lately + seconds.toFixed(0) + " s so far. A series shows its own progress.",
    });
  }
  const timer = window.setInterval(tell, 500);
  stopClock = () => window.clearInterval(timer);
  tell();
}

function showAnswer(request) {
  // The browser has followed the redirect to the result; an error came as a page with its sentence.
  if (request.status === 200) {
    window.location.assign(request.responseURL);
    return;
  }
  const page = new DOMParser().parseFromString(request.responseText, "text/html");
  const told = page.getElementById("sentence");
  const sentence = told ? told.textContent : "The upload failed with status " + request.status + ". Try again.";
  const seconds = Number(request.getResponseHeader("Retry-After"));
  if (seconds) beBusy(sentence, seconds);
  else refuse(sentence);
}

function isThresholdValid() {
  const text = threshold.value.trim();
  const isValid = text === "" || (Number(text) > 0 && Number(text) < 1);
  thresholdError.hidden = isValid;
  threshold.setAttribute("aria-invalid", String(!isValid));
  if (!isValid) {
    threshold.closest("details").open = true;
    threshold.focus();
  }
  return isValid;
}

function send() {
  if (isSending || !isThresholdValid()) return;
  const bytes = total(file.files);
  if (bytes > Number(form.dataset.maxBytes)) {
    const what = file.files.length > 1 ? "The " + file.files.length + " files have " : "The file has ";
    refuse(what + megabytes(bytes) + "; at most " + form.dataset.maxMb + " MB are taken.");
    return;
  }
  setSending(true);
  say("Uploading", { share: 0, detail: "0.0 MB of " + megabytes(bytes) });
  const request = new XMLHttpRequest();
  request.upload.addEventListener("progress", showProgress);
  request.addEventListener("load", () => showAnswer(request));
  request.addEventListener("error", () => refuse("The server did not answer. Check the connection and try again."));
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "text/html");
  request.send(new FormData(form));
}

function take(files) {
  if (files.length === 0 || isSending || file.disabled) return;
  file.files = files;
  send();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
resend.addEventListener("click", send);
examples.addEventListener("submit", (event) => {
  if (isSending) event.preventDefault();
  // A disabled button would not be sent along.
  isSending = true;
  showReading();
});
threshold.addEventListener("change", isThresholdValid);

drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  take(event.dataTransfer.files);
});
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
// A file that misses the zone must not make the browser leave the page for it.
for (const kind of ["dragover", "drop"]) {
  window.addEventListener(kind, (event) => event.preventDefault());
}

document.getElementById("paste").hidden = false;
window.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length === 0) return;
  event.preventDefault();
  take(event.clipboardData.files);
});

// Also when the browser shows the page again as it was left.
window.addEventListener("pageshow", () => {
  setSending(false);
  for (const button of buttons) button.disabled = file.disabled;
  statusBox.hidden = true;
});
