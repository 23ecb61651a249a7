// Dropping files, and progress while it is sent and read. Without this script the form works as a plain form.
"use strict";

const form = document.getElementById("upload");
const drop = document.getElementById("drop");
const file = document.getElementById("file");
const statusBox = document.getElementById("status");
const message = document.getElementById("message");
const bar = document.getElementById("progress");
const button = form.querySelector("button");

function say(sentence, isCaution) {
  statusBox.hidden = false;
  message.textContent = sentence;
  message.classList.toggle("caution", Boolean(isCaution));
  bar.hidden = Boolean(isCaution);
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(1) + " MB";
}

function refuse(sentence) {
  say(sentence, true);
  button.disabled = false;
}

function showProgress(event) {
  if (!event.lengthComputable) return;
  bar.value = event.loaded / event.total;
  const sent = megabytes(event.loaded) + " of " + megabytes(event.total);
  say(event.loaded < event.total ? "Uploading: " + sent : "Reading; a slice takes about a second");
}

function showAnswer(request) {
  // The browser has followed the redirect to the result; an error came as a page with its sentence.
  if (request.status === 200) {
    window.location.assign(request.responseURL);
    return;
  }
  const page = new DOMParser().parseFromString(request.responseText, "text/html");
  const sentence = page.getElementById("sentence");
  refuse(sentence ? sentence.textContent : "The upload failed with status " + request.status + ". Try again.");
}

function send(event) {
  event.preventDefault();
  // Dropping submits even while the button is disabled.
  if (button.disabled) return;
  const bytes = Array.from(file.files).reduce((sum, chosen) => sum + chosen.size, 0);
  if (bytes > Number(form.dataset.maxBytes)) {
    const what = file.files.length > 1 ? "The " + file.files.length + " files have " : "The file has ";
    refuse(what + megabytes(bytes) + "; at most " + form.dataset.maxMb + " MB are taken.");
    return;
  }
  button.disabled = true;
  bar.value = 0;
  say("Uploading");
  const request = new XMLHttpRequest();
  request.upload.addEventListener("progress", showProgress);
  request.addEventListener("load", () => showAnswer(request));
  request.addEventListener("error", () => refuse("The server did not answer. Check the connection and try again."));
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "text/html");
  request.send(new FormData(form));
}

function takeDropped(event) {
  event.preventDefault();
  drop.classList.remove("over");
  if (event.dataTransfer.files.length > 0) {
    file.files = event.dataTransfer.files;
    form.requestSubmit();
  }
}

form.addEventListener("submit", send);
drop.addEventListener("drop", takeDropped);
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
// A file that misses the zone must not make the browser leave the page for it.
for (const kind of ["dragover", "drop"]) {
  window.addEventListener(kind, (event) => event.preventDefault());
}
window.addEventListener("pageshow", () => {
  button.disabled = false;
  statusBox.hidden = true;
});
