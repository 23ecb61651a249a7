// Counts the seconds until it is worth to ask again, where the server said how many.
"use strict";

// Writes the seconds left into an element; returns what stops it.
function countDown(element, seconds) {
  const until = Date.now() + 1000 * seconds;
  function tell() {
    const left = Math.max(0, Math.ceil((until - Date.now()) / 1000));
    element.textContent = left > 0 ? "Come back in " + left + " s." : "Try again now.";
    if (left === 0) window.clearInterval(timer);
  }
  const timer = window.setInterval(tell, 250);
  tell();
  return () => window.clearInterval(timer);
}

const comeBack = document.getElementById("come-back");
if (comeBack && comeBack.dataset.seconds) {
  countDown(comeBack, Number(comeBack.dataset.seconds));
  const again = document.getElementById("again");
  again.hidden = false;
  // The page before still has the chosen files; what was only asked for is asked for again.
  again.addEventListener("click", () => {
    if (again.dataset.method === "GET") window.location.reload();
    else window.history.back();
  });
}
