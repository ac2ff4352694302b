/** Events that the list keeps. */
const KEPT_EVENTS = 100;
/** Characters of one event that the list shows. */
const SHOWN_CHARACTERS = 5_000;
/** Bytes of a binary value that the list shows. */
const SHOWN_BYTES = 32;

/** The newest events first; what they hold comes from strangers and is only ever set as text. */
export class EventList {
  #list;
  #count;
  #empty;
  #total = 0;
  /** Events that came since the last frame, the newest first. */
  #waiting = [];

  constructor({ list, count, empty }) {
    this.#list = list;
    this.#count = count;
    this.#empty = empty;
  }

  /** Shows the event with the next frame, so that a flood of events costs one drawing a frame. */
  add(name, values) {
    this.#total++;
    if (this.#waiting.length === 0) requestAnimationFrame(() => this.#draw());
    this.#waiting.unshift({ name, values, time: new Date() });
    this.#waiting.length = Math.min(this.#waiting.length, KEPT_EVENTS);
  }

  clear() {
    this.#total = 0;
    this.#draw();
    this.#list.replaceChildren();
  }

  #draw() {
    this.#list.prepend(...this.#waiting.map(entry));
    this.#waiting = [];
    while (this.#list.childElementCount > KEPT_EVENTS) this.#list.lastElementChild.remove();
    this.#empty.hidden = this.#total > 0;
    this.#count.textContent =
      this.#total <= KEPT_EVENTS
        ? `${this.#total} received`
        : `${this.#total} received, the newest ${KEPT_EVENTS} shown`;
  }
}

function entry({ name, values, time }) {
  const title = document.createElement("strong");
  title.textContent = name;
  const clock = document.createElement("time");
  clock.dateTime = time.toISOString();
  clock.textContent = time.toLocaleTimeString(undefined, {
    hourCycle: "h23",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
  });
  const head = document.createElement("div");
  head.append(title, clock);
  const body = document.createElement("pre");
  body.textContent = shortened(values.map(describe).join("\n"));
  const item = document.createElement("li");
  item.append(head, body);
  return item;
}

function describe(value) {
  if (typeof value === "string") return value;
  if (value instanceof ArrayBuffer) return describeBytes(new Uint8Array(value));
  return JSON.stringify(value, readableBytes, 2);
}

/** Binary parts may stand anywhere in a value. */
function readableBytes(_key, value) {
  return value instanceof ArrayBuffer ? describeBytes(new Uint8Array(value)) : value;
}

function describeBytes(bytes) {
  const shown = [...bytes.subarray(0, SHOWN_BYTES)].map((byte) =>
    byte.toString(16).padStart(2, "0"),
  );
  const more = bytes.length > SHOWN_BYTES ? " …" : "";
  return `${bytes.length} bytes: ${shown.join(" ")}${more}`;
}

function shortened(text) {
  if (text.length <= SHOWN_CHARACTERS) return text;
  return `${text.slice(0, SHOWN_CHARACTERS)}\n… ${text.length - SHOWN_CHARACTERS} more characters`;
}
