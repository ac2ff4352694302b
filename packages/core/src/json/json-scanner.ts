/** Levels of arrays and objects that a text may nest; receivers must be able to parse it, too. */
export const MAX_JSON_DEPTH = 512;

/** A text that is not JSON, with the place where that shows. */
export class JsonSyntaxError extends Error {
  /** UTF-16 code units before the fault. */
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(`${message} at character ${offset}`);
    this.name = "JsonSyntaxError";
    this.offset = offset;
  }
}

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const UPPER_E = 0x45;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const LOWER_E = 0x65;
const LOWER_F = 0x66;
const LOWER_N = 0x6e;
const LOWER_T = 0x74;
const LOWER_U = 0x75;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * What RFC 8259 section 7 forbids in strings: code units below the space. Most texts have none at
 * all, so that their strings need not be looked at character by character.
 */
const CONTROL_CHARACTER = /[^ -\uffff]/;
const FOUR_HEX_DIGITS = /[0-9a-fA-F]{4}/y;

/**
 * Walks forward over JSON text (RFC 8259) and builds no values; it accepts what `JSON.parse` accepts, down
 * to `MAX_JSON_DEPTH` levels, and keeps its own stack, so no text exhausts the program's.
 */
export class JsonScanner {
  readonly text: string;
  position: number;
  readonly #hasControlCharacters: boolean;
  #nextBackslash = -1;

  constructor(text: string, position = 0) {
    this.text = text;
    this.position = position;
    this.#hasControlCharacters = CONTROL_CHARACTER.test(text);
  }

  /** The character code here; NaN at the end of the text. */
  peek(): number {
    return this.text.charCodeAt(this.position);
  }

  /** @throws JsonSyntaxError always. */
  fail(expected: string): never {
    const { text, position } = this;
    const found =
      position < text.length
        ? `found ${JSON.stringify(String.fromCodePoint(text.codePointAt(position) ?? 0))}`
        : "the text ends";
    throw new JsonSyntaxError(`expected ${expected}, but ${found}`, position);
  }

  skipWhitespace(): void {
    const { text } = this;
    let { position } = this;
    let code = text.charCodeAt(position);
    while (code === SPACE || code === LINE_FEED || code === CARRIAGE_RETURN || code === TAB) {
      code = text.charCodeAt(++position);
    }
    this.position = position;
  }

  /** Skips whitespace and reports whether the text ends here. */
  expectEnd(): void {
    this.skipWhitespace();
    if (this.position < this.text.length) this.fail("the end of the text");
  }

  /** Skips one member's name, the colon and the whitespace around it. */
  skipName(): void {
    this.skipNameString();
    this.skipColon();
  }

  /** Skips a member's name alone. */
  skipNameString(): void {
    if (this.peek() !== QUOTE) this.fail("a member's name in quotation marks");
    this.skipString();
  }

  /** Skips a colon and the whitespace around it. */
  skipColon(): void {
    this.skipWhitespace();
    if (this.peek() !== COLON) this.fail('":"');
    this.position++;
    this.skipWhitespace();
  }

  /** Skips one value of any kind, `outerDepth` levels deep in the text. */
  skipValue(outerDepth: number): void {
    const { text } = this;
    /** The closing character of each level that is open. */
    const closers: number[] = [];
    for (;;) {
      const code = text.charCodeAt(this.position);
      if (code === QUOTE) {
        this.skipString();
      } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
        if (outerDepth + closers.length >= MAX_JSON_DEPTH) {
          throw new JsonSyntaxError(
            `arrays and objects nest deeper than ${MAX_JSON_DEPTH} levels`,
            this.position,
          );
        }
        const closer = code === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_ARRAY;
        this.position++;
        this.skipWhitespace();
        if (text.charCodeAt(this.position) !== closer) {
          closers.push(closer);
          if (closer === CLOSE_OBJECT) this.skipName();
          continue;
        }
        this.position++;
      } else {
        this.#skipScalar(code);
      }
      if (!this.#nextValue(closers)) return;
    }
  }

  /** Skips a string; the scanner stands on its opening quotation mark. */
  skipString(): void {
    const { text } = this;
    let from = this.position + 1;
    let quote = -1;
    for (;;) {
      // Both places are kept while they lie ahead: a long string of escapes is read in linear time.
      if (quote < from) quote = placeOf('"', text, from);
      if (this.#nextBackslash < from) this.#nextBackslash = placeOf("\\", text, from);
      const stop = Math.min(quote, this.#nextBackslash);
      if (this.#hasControlCharacters) this.#refuseControlCharacters(from, stop);
      if (stop === quote) {
        this.position = quote;
        if (quote === text.length) this.fail("the end of the string");
        this.position++;
        return;
      }
      from = this.#skipEscape(stop);
    }
  }

  /** After a value: closes what ends here, and moves to the next value if there is one. */
  #nextValue(closers: number[]): boolean {
    while (closers.length > 0) {
      this.skipWhitespace();
      const code = this.peek();
      const closer = closers[closers.length - 1];
      if (code === closer) {
        closers.pop();
        this.position++;
      } else if (code === COMMA) {
        this.position++;
        this.skipWhitespace();
        if (closer === CLOSE_OBJECT) this.skipName();
        return true;
      } else {
        this.fail(closer === CLOSE_OBJECT ? '"," or "}"' : '"," or "]"');
      }
    }
    return false;
  }

  #skipEscape(backslash: number): number {
    this.position = backslash + 1;
    switch (this.peek()) {
      case QUOTE:
      case BACKSLASH:
      case 0x2f: // solidus
      case 0x62: // b
      case LOWER_F:
      case LOWER_N:
      case 0x72: // r
      case LOWER_T:
        return backslash + 2;
      case LOWER_U:
        FOUR_HEX_DIGITS.lastIndex = backslash + 2;
        if (FOUR_HEX_DIGITS.test(this.text)) return backslash + 6;
        this.position = backslash + 2;
        return this.fail("four hexadecimal digits");
      default:
        return this.fail("an escape");
    }
  }

  #refuseControlCharacters(from: number, end: number): void {
    for (let index = from; index < end; index++) {
      if (this.text.charCodeAt(index) < SPACE) {
        this.position = index;
        this.fail("no control character in a string");
      }
    }
  }

  #skipScalar(code: number): void {
    switch (code) {
      case LOWER_T:
        this.#skipLiteral("true");
        break;
      case LOWER_F:
        this.#skipLiteral("false");
        break;
      case LOWER_N:
        this.#skipLiteral("null");
        break;
      default:
        this.#skipNumber(code);
    }
  }

  #skipLiteral(literal: string): void {
    if (!this.text.startsWith(literal, this.position)) this.fail("a value");
    this.position += literal.length;
  }

  #skipNumber(first: number): void {
    let code = first;
    if (code === MINUS) {
      this.position++;
      code = this.peek();
    }
    if (code === ZERO) this.position++;
    else if (code >= ZERO && code <= NINE) this.#skipDigits();
    else this.fail(first === MINUS ? "a digit" : "a value");
    if (this.peek() === POINT) {
      this.position++;
      this.#skipDigits();
    }
    if (this.peek() === LOWER_E || this.peek() === UPPER_E) {
      this.position++;
      if (this.peek() === PLUS || this.peek() === MINUS) this.position++;
      this.#skipDigits();
    }
  }

  #skipDigits(): void {
    const { text } = this;
    let { position } = this;
    const start = position;
    let code = text.charCodeAt(position);
    while (code >= ZERO && code <= NINE) code = text.charCodeAt(++position);
    this.position = position;
    if (position === start) this.fail("a digit");
  }
}

/** Where `character` comes next; the length of the text when it does not. */
function placeOf(character: string, text: string, from: number): number {
  const place = text.indexOf(character, from);
  return place < 0 ? text.length : place;
}
