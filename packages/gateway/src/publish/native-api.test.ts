import { describe, expect, test } from "bun:test";
import { publisherFixture, refusalBody } from "./testing/publisher-fixture.ts";

describe("POST /api/publish", () => {
  test("an event reaches the hub, and the answer says how many subscribers it had", async () => {
    const { hub, post } = publisherFixture();
    const body = { channel: "chat:1", event: "greeting", data: { text: "hi" }, app: "shop" };
    expect(await post("/api/publish", body)).toEqual([200, { ok: true, subscribers: 1 }]);
    expect(hub.published).toEqual([
      { app: "shop", channel: "chat:1", event: "greeting", data: '{"text":"hi"}' },
    ]);
  });

  test("event and app have defaults", async () => {
    const { hub, post } = publisherFixture();
    await post("/api/publish", { channel: "c", data: 1 });
    expect(hub.published).toEqual([{ app: "default", channel: "c", event: "message", data: "1" }]);
  });

  test("data passes through byte for byte, whatever its kind", async () => {
    const { hub, call } = publisherFixture();
    const texts = ["null", "false", "0", '""', "[ ]", '{ "a" : 1.0e+2, "a":\t2 }', '"\\u0041\\/"'];
    texts.push("12345678901234567890.10", '{"__proto__":{"x":1}}', '"\u2028é😀"', '"\\ud800"');
    for (const data of texts) {
      const body = `{"channel":"c","data":  ${data} }`;
      expect((await call("/api/publish", { body })).status).toBe(200);
    }
    expect(hub.published.map((publication) => publication.data)).toEqual(texts);
  });

  test("escaped names count, and of repeated names the last", async () => {
    const { hub, call } = publisherFixture();
    const body = '{"channel":"a","\\u0064ata":1,"channel":"\\u0062","data":2}';
    await call("/api/publish", { body });
    expect(hub.published).toMatchObject([{ channel: "b", data: "2" }]);
  });

  test("the content type does not matter", async () => {
    const { hub, call } = publisherFixture();
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "x"]) {
      const headers = { "content-type": type };
      const answer = await call("/api/publish", { body: '{"channel":"c","data":1}', headers });
      expect(answer.status).toBe(200);
      expect(answer.headers.get("content-type")).toBe("application/json");
    }
    expect(hub.published).toHaveLength(3);
  });

  const faults: [string, string, unknown][] = [
    ["{}", "channel: ", "channel missing"],
    ['{"channel":"c"}', "data: is missing; send null for an event without data", "data missing"],
    ['{"channel":1,"data":1}', "channel: ", "channel of the wrong type"],
    ['{"channel":"","data":1}', "channel: ", "channel empty"],
    [`{"channel":"${"x".repeat(256)}","data":1}`, "channel: ", "channel too long"],
    ['{"channel":"a\\nb","data":1}', "channel: must not contain control characters", "line feed"],
    ['{"channel":"a\\u0085b","data":1}', "channel: must not contain control", "C1 control"],
    ['{"channel":"\\ud800","data":1}', "channel: must be well-formed Unicode", "lone surrogate"],
    ['{"channel":"c","event":"","data":1}', "event: ", "event empty"],
    ['{"channel":"c","event":null,"data":1}', "event: ", "event null"],
    ['{"channel":"c","data":1,"idempotencyKey":""}', "idempotencyKey: ", "empty key"],
    ['{"channel":"c","data":1,"chanel":"x"}', "chanel: unknown field", "unknown field"],
    ['{"channel":"c","data":1,"__proto__":{}}', "__proto__: unknown field", "__proto__"],
    ['{"channel":"c","data":1,"constructor":1}', "constructor: unknown field", "constructor"],
    ["[]", "the body is not a JSON object", "an array"],
    ["null", "the body is not a JSON object", "null"],
  ];
  for (const [body, message, what] of faults) {
    test(`${what} is answered 400 with the path of the fault`, async () => {
      const { hub, call } = publisherFixture();
      const answer = await call("/api/publish", { body });
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.text)).toEqual(
        refusalBody(101, "invalid_request", expect.stringContaining(message)),
      );
      expect(hub.published).toEqual([]);
    });
  }

  test("a channel and an event of 255 characters are allowed", async () => {
    const { post } = publisherFixture();
    const long = "é".repeat(255);
    expect((await post("/api/publish", { channel: long, event: long, data: 1 }))[0]).toBe(200);
  });

  test("malformed JSON is answered 400 with its place", async () => {
    const { call } = publisherFixture();
    for (const [body, place] of [
      ['{"channel":"c",}', "at character 15"],
      ["", "at character 0"],
      ['{"channel":"c","data":{"a":[1,2}}', "at character 31"],
      [`{"channel":"c","data":${"[".repeat(600)}${"]".repeat(600)}}`, "deeper than 512 levels"],
    ] as const) {
      const answer = await call("/api/publish", { body });
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.text)).toEqual(
        refusalBody(100, "malformed_json", expect.stringContaining(place)),
      );
    }
  });

  test("a body that is not UTF-8 is answered 400", async () => {
    const { hub, call } = publisherFixture();
    const body = new Uint8Array(Buffer.from('{"channel":"c","data":"\xff"}', "latin1"));
    const answer = await call("/api/publish", { body });
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toEqual(
      refusalBody(102, "invalid_encoding", "the body is not valid UTF-8"),
    );
    expect(hub.published).toEqual([]);
  });

  test("an unknown app is answered 404", async () => {
    const { post } = publisherFixture();
    expect(await post("/api/publish", { channel: "c", data: 1, app: "nope" })).toEqual([
      404,
      refusalBody(106, "unknown_app", "app: no such app is configured"),
    ]);
  });
});

describe("POST /api/batch", () => {
  test("publications are delivered in order, with one result each", async () => {
    const { hub, post } = publisherFixture();
    const publications = [
      { channel: "a", data: 1 },
      { channel: "b", data: [2], app: "shop" },
      { channel: "a", data: 3, event: "e" },
    ];
    expect(await post("/api/batch", { publications })).toEqual([
      200,
      { ok: true, results: [{ subscribers: 1 }, { subscribers: 2 }, { subscribers: 3 }] },
    ]);
    expect(hub.published).toEqual([
      { app: "default", channel: "a", event: "message", data: "1" },
      { app: "shop", channel: "b", event: "message", data: "[2]" },
      { app: "default", channel: "a", event: "e", data: "3" },
    ]);
  });

  test("data inside a batch passes through byte for byte", async () => {
    const { hub, call } = publisherFixture();
    await call("/api/batch", {
      body: '{"publications":[ {"channel":"a","data":{ "x" : 1.0 }} , {"data":"\\u0041","channel":"b"}]}',
    });
    expect(hub.published.map(({ data }) => data)).toEqual(['{ "x" : 1.0 }', '"\\u0041"']);
  });

  const faults: [unknown, number, string][] = [
    [[{ channel: "a", data: 1 }, { channel: "b" }], 400, "publications[1].data: is missing"],
    [
      [
        { channel: "a", data: 1 },
        { channel: "", data: 1 },
      ],
      400,
      "publications[1].channel: ",
    ],
    [
      [
        { channel: "a", data: 1 },
        { channel: "b", data: 1, x: 1 },
      ],
      400,
      "publications[1].x: unknown",
    ],
    [[{ channel: "a", data: 1 }, 7], 400, "publications[1]: "],
    [[{ channel: "a", data: 1 }, null], 400, "publications[1]: "],
    [
      [
        { channel: "a", data: 1 },
        { channel: "b", data: 1, app: "nope" },
      ],
      404,
      "publications[1].app: ",
    ],
    [[], 400, "publications: "],
    [{}, 400, "publications: "],
    ["x", 400, "publications: "],
  ];
  for (const [publications, status, message] of faults) {
    test(`${JSON.stringify(publications)} is refused as a whole: ${message}`, async () => {
      const { hub, post } = publisherFixture();
      const [answered, body] = await post("/api/batch", { publications });
      expect(answered).toBe(status);
      expect(body).toMatchObject({ error: { message: expect.stringContaining(message) } });
      expect(hub.published).toEqual([]);
    });
  }

  test("1000 publications are allowed, 1001 are too many", async () => {
    const { hub, post } = publisherFixture();
    const many = (count: number) => ({
      publications: Array.from({ length: count }, () => ({ channel: "c", data: 1 })),
    });
    expect(await post("/api/batch", many(1001))).toEqual([
      400,
      refusalBody(109, "batch_too_large", "more than 1000 entries in one request"),
    ]);
    expect(hub.published).toHaveLength(0);
    expect((await post("/api/batch", many(1000)))[0]).toBe(200);
    expect(hub.published).toHaveLength(1000);
  });

  test("many faults are named up to five", async () => {
    const { post } = publisherFixture();
    const publications = Array.from({ length: 9 }, () => ({ channel: "c" }));
    const [, body] = await post("/api/batch", { publications });
    expect(body).toMatchObject({ error: { message: expect.stringMatching(/\[4\].*and 4 more$/) } });
  });
});

describe("POST /api/broadcast", () => {
  test("every distinct channel gets the event once", async () => {
    const { hub, post } = publisherFixture();
    const body = { channels: ["a", "b", "a"], event: "e", data: { x: 1 }, app: "shop" };
    expect(await post("/api/broadcast", body)).toEqual([
      200,
      { ok: true, channels: 2, subscribers: 3 },
    ]);
    expect(hub.published).toEqual([
      { app: "shop", channel: "a", event: "e", data: '{"x":1}' },
      { app: "shop", channel: "b", event: "e", data: '{"x":1}' },
    ]);
  });

  test("a faulty channel is named, and nothing is delivered", async () => {
    const { hub, post } = publisherFixture();
    const [status, body] = await post("/api/broadcast", { channels: ["a", ""], data: 1 });
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: { message: expect.stringContaining("channels[1]: ") } });
    expect((await post("/api/broadcast", { channels: [], data: 1 }))[0]).toBe(400);
    expect((await post("/api/broadcast", { channels: "a", data: 1 }))[0]).toBe(400);
    expect((await post("/api/broadcast", { channels: ["a"] }))[0]).toBe(400);
    expect(hub.published).toEqual([]);
  });

  test("more than 1000 channels are too many", async () => {
    const { post } = publisherFixture();
    const channels = Array.from({ length: 1001 }, (_, index) => `c${index}`);
    expect((await post("/api/broadcast", { channels, data: 1 }))[1]).toMatchObject({
      error: { name: "batch_too_large" },
    });
  });
});

describe("POST /api/disconnect", () => {
  test("a user or a connection is disconnected", async () => {
    const { hub, post } = publisherFixture();
    expect(await post("/api/disconnect", { user: "u" })).toEqual([
      200,
      { ok: true, connections: 1, complete: true, unanswered: [] },
    ]);
    await post("/api/disconnect", { connection: "c", app: "shop" });
    expect(hub.disconnected).toEqual([
      ["default", { user: "u" }],
      ["shop", { connection: "c" }],
    ]);
  });

  test("says whom it could not ask", async () => {
    const { hub, post } = publisherFixture();
    hub.others = { unanswered: ["eu-1"], isComplete: false };
    expect((await post("/api/disconnect", { user: "u" }))[1]).toEqual({
      ...{ ok: true, connections: 1, complete: false, unanswered: ["eu-1"] },
    });
  });

  test("a user is banned for some seconds, and listed until then or until it is lifted", async () => {
    const { clock, hub, post, call } = publisherFixture();
    const listed = async (app: string) => JSON.parse((await call(`/api/bans?app=${app}`)).text);
    expect((await post("/api/disconnect", { user: "u", app: "shop", ban: 60 }))[0]).toBe(200);
    expect(hub.disconnected).toEqual([["shop", { user: "u" }]]);
    const until = clock.now() + 60_000;
    expect(await listed("shop")).toEqual({ ok: true, bans: [{ user: "u", until }] });
    expect(await listed("default")).toEqual({ ok: true, bans: [] });
    expect(await post("/api/unban", { user: "u", app: "shop" })).toEqual([
      200,
      { ok: true, lifted: true },
    ]);
    expect(await post("/api/unban", { user: "u", app: "shop" })).toEqual([
      200,
      { ok: true, lifted: false },
    ]);
    expect(await listed("shop")).toEqual({ ok: true, bans: [] });
  });

  for (const body of [
    ...[{}, { user: "u", connection: "c" }, { app: "shop" }, { users: "u" }],
    ...[
      { connection: "c", ban: 60 },
      { user: "u", ban: 0 },
      { user: "u", ban: 2_592_001 },
    ],
  ]) {
    test(`${JSON.stringify(body)} is refused`, async () => {
      const { hub, post } = publisherFixture();
      expect((await post("/api/disconnect", body))[0]).toBe(400);
      expect(hub.disconnected).toEqual([]);
    });
  }

  test("an unknown app is answered 404", async () => {
    const { post } = publisherFixture();
    expect((await post("/api/disconnect", { user: "u", app: "nope" }))[0]).toBe(404);
  });
});

describe("GET /api/channels", () => {
  test("channels come in pages", async () => {
    const { hub, call } = publisherFixture();
    hub.summaries = ["b", "a", "x:1", "c"].map((channel) => ({ channel, subscribers: 1 }));
    const first = JSON.parse((await call("/api/channels?limit=2")).text);
    expect(first).toEqual({
      ok: true,
      channels: [
        { channel: "a", subscribers: 1 },
        { channel: "b", subscribers: 1 },
      ],
      next: "b",
    });
    const second = JSON.parse((await call("/api/channels?limit=2&cursor=b")).text);
    expect(second.channels.map(({ channel }: { channel: string }) => channel)).toEqual([
      "c",
      "x:1",
    ]);
    expect(second.next).toBeNull();
    expect(JSON.parse((await call("/api/channels?prefix=x%3A")).text).channels).toHaveLength(1);
  });

  const faults: [string, string][] = [
    ["limit=0", "limit: "],
    ["limit=1001", "limit: "],
    ["limit=1.5", "limit: "],
    ["limit=x", "limit: "],
    ["offset=3", "offset: unknown field"],
    ["app=shop&app=default", "a query parameter is given twice"],
    [`prefix=${"x".repeat(256)}`, "prefix: "],
  ];
  for (const [query, message] of faults) {
    test(`?${query.slice(0, 20)} is refused: ${message}`, async () => {
      const { call } = publisherFixture();
      const answer = await call(`/api/channels?${query}`);
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.text).error.message).toContain(message);
    });
  }

  test("an unknown app is answered 404", async () => {
    const { call } = publisherFixture();
    expect((await call("/api/channels?app=nope")).status).toBe(404);
  });
});

test("a name that Socket.IO reserves is refused with its own number, before anything is delivered", async () => {
  const { hub, post } = publisherFixture();
  const reserved = { channel: "c", event: "connect", data: 1 };
  const fine = { channel: "c", data: 1 };
  const requests = [
    ["/api/publish", reserved, "event"],
    ["/api/batch", { publications: [fine, reserved] }, "publications[1].event"],
    ["/api/broadcast", { channels: ["c"], event: "disconnect", data: 1 }, "event"],
  ] as const;
  for (const [path, body, place] of requests) {
    const [status, answer] = await post(path, body);
    expect(status).toBe(400);
    expect(answer).toMatchObject({ error: { code: 110, name: "reserved_event" } });
    expect(JSON.stringify(answer)).toContain(`"message":"${place}: `);
  }
  expect(hub.published).toEqual([]);
});
