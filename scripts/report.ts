/** What a run of tests came to. */
export interface Report {
  readonly passed: number;
  /** For each test that failed or was skipped: its file and name, and what was wrong, in a few lines. */
  readonly failures: readonly string[];
  /** The files of which at least one test ran. */
  readonly files: ReadonlySet<string>;
}

/** Lines of an error that are shown; the log has all of them. */
const MAX_LINES = 5;
const MAX_LINE_LENGTH = 200;
/** Calls that are shown, the innermost first. */
const MAX_PLACES = 3;

const TAG = /<(\/?)(testsuite|testcase|failure|skipped)\b([^>]*?)(\/?)>/g;
const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};

/** One test of a report. */
export interface Case {
  readonly file: string;
  /** Empty where the report does not say. */
  readonly line: string;
  /** The names of the suites it is in, and its own. */
  readonly path: readonly string[];
  /** What was wrong, also that it was skipped, in a few lines; undefined where it passed. */
  readonly reason: string | undefined;
}

export function readReport(xml: string): Report {
  const cases = readCases(xml);
  const failures = cases.flatMap(({ file, line, path, reason }) => {
    if (reason === undefined) return [];
    const place = line === "" ? file : `${file}:${line}`;
    return [`${place} ${path.join(" > ")}\n${reason}`];
  });
  const files = new Set(cases.map(({ file }) => file));
  return { passed: cases.length - failures.length, failures, files };
}

/** Reads what `bun test --reporter=junit` writes: suites within suites, the outermost of them files. */
export function readCases(xml: string): readonly Case[] {
  const cases: Case[] = [];
  const suites: string[] = [];
  for (const match of xml.matchAll(TAG)) {
    const [whole, slash, tag, attributes = "", empty] = match;
    const isEnd = slash !== "";
    if (tag === "testsuite") {
      if (isEnd) suites.pop();
      else if (empty === "") suites.push(attribute(attributes, "name"));
    } else if (tag === "testcase" && !isEnd) {
      const [file = "", ...outer] = suites;
      const line = attribute(attributes, "line");
      const path = [...outer, attribute(attributes, "name")];
      cases.push({ file, line, path, reason: undefined });
    } else if (!isEnd) {
      const last = cases.pop();
      if (last === undefined) continue;
      const start = match.index + whole.length;
      const text = empty === "" ? xml.slice(start, xml.indexOf("<", start)) : "";
      const reason = tag === "skipped" ? "    was skipped" : reasonOf(attributes, text);
      cases.push({ ...last, reason });
    }
  }
  return cases;
}

/** The first lines of the message, and where it came from. */
function reasonOf(attributes: string, text: string): string {
  const message = attribute(attributes, "message") || attribute(attributes, "type");
  const lines = message.split("\n").filter((line) => line.trim() !== "");
  const places = decoded(text).match(/^ *at .+$/gm) ?? [];
  const shown = places.slice(0, MAX_PLACES).map((place) => place.trim());
  return [...lines.slice(0, MAX_LINES), ...shown]
    .map((line) => `    ${line.slice(0, MAX_LINE_LENGTH)}`)
    .join("\n");
}

function attribute(attributes: string, name: string): string {
  return decoded(new RegExp(` ${name}="([^"]*)"`).exec(attributes)?.[1] ?? "");
}

function decoded(text: string): string {
  return text.replaceAll(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    return String.fromCodePoint(decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal));
  });
}
