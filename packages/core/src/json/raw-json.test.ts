import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { JsonSyntaxError, MAX_JSON_DEPTH } from "./json-scanner.ts";
import { lastMember, readElements, readObject, validateJson, withoutMember } from "./raw-json.ts";

function accepts(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof JsonSyntaxError) return false;
    throw error;
  }
}

/** Whether the scanner and `JSON.parse` agree about the text, alone and as a member's value. */
function expectAgreement(text: string): void {
  const reference = accepts(() => JSON.parse(text));
  expect([text, accepts(() => validateJson(text))]).toEqual([text, reference]);
  expect([text, accepts(() => void readObject(text))]).toEqual([text, reference]);
}

/** JSON values spelled with arbitrary whitespace and escapes, unlike what JSON.stringify gives. */
const spelledJson: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => {
  const space = fc.string({ unit: fc.constantFrom(" ", "\t", "\n", "\r"), maxLength: 2 });
  const hex = fc.string({
    unit: fc.constantFrom(..."0123456789abcdefABCDEF"),
    minLength: 4,
    maxLength: 4,
  });
  const character = fc.oneof(
    fc.constantFrom("a", "{", "}", ",", ":", "[", "é", "\u2028", "\ud800", "\u{1f600}", "\u007f"),
    fc.constantFrom('\\"', "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t"),
    hex.map((digits) => `\\u${digits}`),
  );
  const string = fc.array(character, { maxLength: 6 }).map((parts) => `"${parts.join("")}"`);
  const number = fc.constantFrom(
    "0",
    "-0",
    "1",
    "-12.50",
    "1e5",
    "1E+5",
    "2.5e-400",
    "9e999",
    "10",
  );
  const list = (item: fc.Arbitrary<string>) =>
    fc.array(
      fc.tuple(space, item, space).map((parts) => parts.join("")),
      { maxLength: 4 },
    );
  const member = fc
    .tuple(string, space, space, tie("value"))
    .map(([k, a, b, v]) => `${k}${a}:${b}${v}`);
  return {
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom("true", "false", "null"),
      number,
      string,
      list(tie("value")).map((items) => `[${items.join(",")}]`),
      list(member).map((items) => `{${items.join(",")}}`),
      space.map((text) => `[${text}]`),
      space.map((text) => `{${text}}`),
    ),
  };
}).value;

/** Valid JSON with a few characters removed, replaced or put in. */
const mutatedJson = fc
  .tuple(
    spelledJson,
    fc.array(
      fc.tuple(
        fc.nat(),
        fc.nat(2),
        fc.constantFrom(...'{}[]:,"\\u0e+-.tnf \n\u0000\u001f\u00a0\ufeff9aE/'),
      ),
      { minLength: 1, maxLength: 3 },
    ),
  )
  .map(([text, edits]) =>
    edits.reduce((edited, [place, removed, put]) => {
      const at = place % (edited.length + 1);
      return edited.slice(0, at) + put + edited.slice(at + removed);
    }, text),
  );

describe("accepts exactly what JSON.parse accepts", () => {
  test("valid JSON in any spelling", () => {
    fc.assert(
      fc.property(spelledJson, (text) => {
        JSON.parse(text);
        expectAgreement(text);
      }),
      { numRuns: 1500 },
    );
  });

  test("valid JSON with random changes", () => {
    fc.assert(fc.property(mutatedJson, expectAgreement), { numRuns: 6000 });
  });

  test("random text of JSON's own characters", () => {
    const unit = fc.constantFrom(...'{}[]:,"\\u0e+-.1tn ', "true", "null", '"a"', "\n");
    fc.assert(fc.property(fc.string({ unit, maxLength: 12 }), expectAgreement), { numRuns: 6000 });
  });

  test("edges", () => {
    const edges = [
      "",
      " ",
      "{}",
      "[]",
      "{",
      "[",
      "}",
      "]",
      '"',
      '""',
      '"\\',
      '"\\"',
      '"\\u12',
      "-",
    ];
    edges.push("01", "1.", ".5", "+1", "1e", "1e+", "--1", "0x1", "1 2", "nul", "nulll", "True");
    edges.push("NaN", "Infinity", "[1,]", "[,1]", '{"a":1,}', "{,}", '{"a"}', '{"a":}', "{a:1}");
    edges.push("{'a':1}", "[1 2]", '{"a":1 "b":2}', "\ufeff{}", "\u00a0{}", "{}\u2028", "/**/1");
    edges.push(
      '"\t"',
      '"\n"',
      '"\u007f"',
      '"\u0000"',
      '"\\x41"',
      '"\\U0041"',
      '"\ud800"',
      '"\\ud800"',
    );
    edges.push(
      '"\\u 123"',
      '"\\u00g0"',
      "[[]",
      "[]]",
      "[}",
      "{]",
      '{"a":[}',
      "\f1",
      "\v1",
      "1\u0000",
    );
    edges.push(
      '{"a":1}x',
      '{"a":1}}',
      '["\\\\"]',
      '["\\\\\\""]',
      '{"\\"":"\\""}',
      '\n["a"]',
      '["a\\"\n"]',
    );
    for (const text of edges) expectAgreement(text);
  });
});

describe("depth", () => {
  const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

  test("the deepest allowed nesting is accepted, one level more is refused", () => {
    validateJson(nested(MAX_JSON_DEPTH));
    expect(() => validateJson(nested(MAX_JSON_DEPTH + 1))).toThrow(
      `deeper than ${MAX_JSON_DEPTH} levels at character ${MAX_JSON_DEPTH}`,
    );
  });

  test("an object's own level counts when its members are read", () => {
    expect(readObject(`{"a":${nested(MAX_JSON_DEPTH - 1)}}`)).toHaveLength(1);
    expect(() => readObject(`{"a":${nested(MAX_JSON_DEPTH)}}`)).toThrow("deeper");
  });

  test("a megabyte of opening brackets is refused and ends no process", () => {
    expect(() => validateJson("[".repeat(1_000_000))).toThrow("deeper");
    expect(() => validateJson('{"a":'.repeat(200_000))).toThrow("deeper");
  });
});

test("a megabyte of escapes is read at once, without looking ahead for each of them", () => {
  for (const sequence of ["\\n", '\\"', "\\u0041"]) {
    const long = `"${sequence.repeat(500_000)}"`;
    validateJson(`{"a":${long},"b":[${long}]}`);
    expect(() => validateJson(long.slice(0, -1))).toThrow("the end of the string");
  }
});

describe("members", () => {
  const text = ' { "a" : 1 , "\\u0064ata":{"x":[1, 2]},"a":"two" }\n';

  test("they come in order, names with their escapes resolved, values as spans", () => {
    const members = readObject(text) ?? [];
    const read = members.map(({ name, value }) => [name, text.slice(value.start, value.end)]);
    expect(read).toEqual([
      ["a", "1"],
      ["data", '{"x":[1, 2]}'],
      ["a", '"two"'],
    ]);
  });

  test("of repeated names the last one counts", () => {
    const member = lastMember(readObject(text) ?? [], "a");
    expect(text.slice(member?.value.start, member?.value.end)).toBe('"two"');
    expect(lastMember(readObject(text) ?? [], "b")).toBeUndefined();
  });

  test("a value of another kind has no members", () => {
    for (const other of ["[]", '"x"', "1", "null", " true "]) {
      expect(readObject(other)).toBeUndefined();
    }
  });

  test("they say the same as JSON.parse", () => {
    fc.assert(
      fc.property(spelledJson, (json) => {
        const members = readObject(json);
        const parsed: unknown = JSON.parse(json);
        const isObject = typeof parsed === "object" && parsed !== null && !Array.isArray(parsed);
        expect(members !== undefined).toBe(isObject);
        if (members === undefined || !isObject) return;
        const rebuilt = Object.fromEntries(
          members.map(({ name, value }) => [name, JSON.parse(json.slice(value.start, value.end))]),
        );
        expect(rebuilt).toEqual(parsed as Record<string, unknown>);
      }),
      { numRuns: 1000 },
    );
  });

  test("a member called __proto__ is a member like others", () => {
    const members = readObject('{"__proto__":{"polluted":true},"a":1}') ?? [];
    expect(members.map((member) => member.name)).toEqual(["__proto__", "a"]);
    expect(Reflect.has({}, "polluted")).toBe(false);
  });
});

describe("elements", () => {
  test("they come as spans, up to the limit", () => {
    const text = ' [ 1 ,{"a":[2]}, "x,]" ] ';
    const read = (limit: number) => {
      const list = readElements(text, 1, limit);
      return [list?.elements.map(({ start, end }) => text.slice(start, end)), list?.truncated];
    };
    expect(read(9)).toEqual([["1", '{"a":[2]}', '"x,]"'], false]);
    expect(read(3)).toEqual([["1", '{"a":[2]}', '"x,]"'], false]);
    expect(read(2)).toEqual([["1", '{"a":[2]}'], true]);
    expect(read(0)).toEqual([[], true]);
  });

  test("an empty array has none, and what is no array has no list", () => {
    expect(readElements("[ ]", 0, 5)).toEqual({ elements: [], truncated: false });
    expect(readElements('{"a":1}', 0, 5)).toBeUndefined();
    expect(readElements("[]", 2, 5)).toBeUndefined();
  });

  test("a fault is found with its place", () => {
    expect(() => readElements("[1 2]", 0, 5)).toThrow("at character 3");
    expect(() => readElements("[1,]", 0, 5)).toThrow("at character 3");
  });
});

describe("cutting a member out", () => {
  const cut = (text: string, name = "uuid") => withoutMember(text, readObject(text) ?? [], name);

  test("commas are right wherever the member stood, the rest stays byte for byte", () => {
    expect(cut('{"uuid":"x","a":1,"b":2}')).toBe('{"a":1,"b":2}');
    expect(cut('{"a":1,"uuid":"x","b":2}')).toBe('{"a":1,"b":2}');
    expect(cut('{"a":1,"b":2,"uuid":"x"}')).toBe('{"a":1,"b":2}');
    expect(cut('{"uuid":"x"}')).toBe("{}");
    expect(cut('{ "uuid" : "x" }')).toBe("{}");
    expect(cut("{}")).toBe("{}");
    expect(cut('{"a":1.0e0, "uuid":"x" ,\n"b":"\\u0041"  }')).toBe('{"a":1.0e0,\n"b":"\\u0041"  }');
  });

  test("every repetition of the member goes, escaped ones too", () => {
    expect(cut('{"uuid":1,"a":{"uuid":2},"\\u0075uid":3,"b":4,"uuid":5}')).toBe(
      '{"a":{"uuid":2},"b":4}',
    );
  });

  test("without the member the text stays as it is, but for the whitespace around it", () => {
    expect(cut(' { "a" : 1 } ')).toBe('{ "a" : 1 }');
  });

  test("what is left is what JSON.parse leaves", () => {
    fc.assert(
      fc.property(spelledJson, (json) => {
        const members = readObject(json);
        if (members === undefined) return;
        const name = members[0]?.name ?? "none";
        const { [name]: _cut, ...rest } = JSON.parse(json) as Record<string, unknown>;
        expect(JSON.parse(withoutMember(json, members, name))).toEqual(rest);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("faults", () => {
  const places: [string, number][] = [
    ['{"a":1,}', 7],
    ["[1 2]", 3],
    ['{"a" 1}', 5],
    ['{"a":tru}', 5],
    ['["ab\u0001"]', 4],
    ['["\\q"]', 3],
    ['["\\u12x4"]', 4],
    ["[-]", 2],
    ["[1.e5]", 3],
    ['{"a":"b', 7],
    ["", 0],
    ["{} x", 3],
  ];
  for (const [text, offset] of places) {
    test(`${JSON.stringify(text)} is faulty at character ${offset}`, () => {
      expect(() => validateJson(text)).toThrow(expect.objectContaining({ offset }));
      expect(() => validateJson(text)).toThrow(`at character ${offset}`);
    });
  }
});
