// The picture of what a call rests on. The server draws it, which takes as long as reading a slice, or says why not.
"use strict";

const ASK_AFTER_MS = 300;

const ASKED = "Being explained. This takes a few seconds.";
const NO_ANSWER = "No explanation came: the server does not answer.";

/** Statuses that stay: there is nothing to explain, or no result any more. */
const FINAL = [404, 409];

export class Explanation {
  /**
   * place: the element for what is to be said of it. image: the server's own picture on the page, which may be it.
   * onChange: called when the picture is there.
   */
  constructor(place, image, onChange) {
    this.place = place;
    this.image = image;
    this.onChange = onChange;
    this.address = "";
    this.picture = null;
  }

  /** Have the picture of an address once it is wanted for a moment: not for every step of a slider. */
  want(address) {
    if (address === this.address) return;
    this.forget();
    this.address = address;
    this.say(ASKED);
    this.waiting = window.setTimeout(() => this.ask(), ASK_AFTER_MS);
  }

  /** It is not looked at any more. A picture is kept; what failed or is on its way is asked for anew next time. */
  leave() {
    if (this.picture === null) this.forget();
    this.say("");
  }

  forget() {
    window.clearTimeout(this.waiting);
    this.asking?.abort();
    this.address = "";
    this.picture = null;
    this.say("");
  }

  async ask() {
    window.clearTimeout(this.waiting);
    this.say(ASKED);
    this.asking = new AbortController();
    const { signal } = this.asking;
    const { picture, problem } = await this.answer(signal);
    if (signal.aborted) return;
    if (problem) {
      this.tell(problem);
      return;
    }
    this.picture = picture;
    this.say("");
    this.onChange();
  }

  async answer(signal) {
    try {
      const drawn = await this.drawnByServer();
      if (drawn) return { picture: drawn };
      const response = await fetch(this.address, { cache: "no-store", signal });
      if (response.ok) return { picture: await createImageBitmap(await response.blob()) };
      return { problem: await problemOf(response) };
    } catch {
      return { problem: { sentence: NO_ANSWER, isFinal: false, retryAfter: 0 } };
    }
  }

  /** The picture that came with the page, where it is this one: the server need not draw it twice. */
  async drawnByServer() {
    const { image } = this;
    this.image = null;
    if (image?.src !== new URL(this.address, window.location).href) return null;
    return image.decode().then(() => image, () => null);
  }

  tell({ sentence, isFinal, retryAfter }) {
    const again = retryAfter ? " It is asked for again in " + retryAfter + " s." : "";
    this.say(sentence + again, { caution: true });
    if (retryAfter) this.waiting = window.setTimeout(() => this.ask(), 1000 * retryAfter);
    if (isFinal) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Try again";
    button.addEventListener("click", () => this.ask());
    this.place.append(button);
  }

  say(sentence, { caution = false } = {}) {
    if (sentence === "") {
      this.place.replaceChildren();
      return;
    }
    const line = document.createElement("p");
    line.className = caution ? "caution" : "aside";
    line.textContent = sentence;
    this.place.replaceChildren(line);
  }
}

/** What the server says of a request that it could not answer (RFC 9457). */
async function problemOf(response) {
  const told = await response.json().catch(() => ({}));
  return {
    sentence: told.detail ?? NO_ANSWER,
    isFinal: FINAL.includes(response.status),
    retryAfter: Number(response.headers.get("Retry-After")) || 0,
  };
}
