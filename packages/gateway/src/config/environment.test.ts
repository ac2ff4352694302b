import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findSetting, readDotEnv } from "./environment.ts";
import { variables } from "./variables.ts";

describe("the file .env", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "starling-env-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test("gives nothing where it does not exist", () => {
    expect(readDotEnv(folder)).toEqual({});
  });

  test("is read without a meaning of $ in it", () => {
    writeFileSync(
      join(folder, ".env"),
      '# comment\nAUTH_TOKEN_SECRET=pa$$word$HOME\nPATTERN=^[a-f]{3}$\nQUOTED="a # b" # c\n',
    );
    expect(readDotEnv(folder)).toEqual({
      AUTH_TOKEN_SECRET: "pa$$word$HOME",
      PATTERN: "^[a-f]{3}$",
      QUOTED: "a # b",
    });
  });

  test("may hold values of several lines, blanks, and lines of Windows", () => {
    writeFileSync(
      join(folder, ".env"),
      "\uFEFF# c\r\n\r\n  export A = 1\r\nB='x\nno assignment\n'\n \t\nC=\nD=\"open\n  # end",
    );
    expect(readDotEnv(folder)).toEqual({ A: "1", B: "x\nno assignment\n", C: "", D: '"open' });
  });

  test("is a fault for each line that says nothing, which is not shown", () => {
    const path = join(folder, ".env");
    writeFileSync(path, "A=1\nAUTH_TOKEN_SECRET: hunter2\nB='x\ny'\n=1\n2C=1\nD E=1\nF=1");
    expect(() => readDotEnv(folder)).toThrow(
      [
        "the configuration has 4 faults:",
        ...[2, 5, 6, 7].map(
          (line) => `  .env="${path}:${line}": is neither empty, nor a comment, nor NAME=value`,
        ),
      ].join("\n"),
    );
  });

  test("is a fault where it is there and cannot be read", () => {
    mkdirSync(join(folder, ".env"));
    expect(() => readDotEnv(folder)).toThrow(/\.env=.*cannot be read \(EISDIR\)/);
  });
});

describe("a setting", () => {
  const port = variables.publisherPort;

  test("of the process precedes one of .env, whatever names they have", () => {
    const layers = { environment: { HTTP_PORT: "1" }, ".env": { PRODUCER_PORT: "2" } };
    expect(findSetting(port, layers).setting).toEqual({
      name: "HTTP_PORT",
      text: "1",
      origin: "environment",
    });
  });

  test("that is empty counts as not set", () => {
    const layers = { environment: { PRODUCER_PORT: " " }, ".env": { PRODUCER_PORT: "2" } };
    expect(findSetting(port, layers).setting?.origin).toBe(".env");
    expect(findSetting(port, { environment: {}, ".env": { HTTP_PORT: "" } })).toEqual({});
  });

  test("with two names of one value is no fault", () => {
    const environment = { PRODUCER_PORT: "1", HTTP_PORT: " 1" };
    expect(findSetting(port, { environment, ".env": {} }).setting?.name).toBe("PRODUCER_PORT");
  });

  test("with two names and two values is a fault that names both", () => {
    const { fault } = findSetting(variables.subscriberPort, {
      environment: { STANDALONE_PORT: "1", WEBSOCKET_PORT: "2" },
      ".env": {},
    });
    expect(fault?.variable).toBe("STANDALONE_PORT");
    expect(fault?.value).toBe("1");
    expect(fault?.message).toContain('WEBSOCKET_PORT="2"');
  });

  test("that is secret keeps its blanks, and is masked where two values disagree", () => {
    const layers = (first: string, second: string) => ({
      environment: { AUTH_TOKEN_SECRET: first, WEBSOCKET_AUTH_TOKEN_SECRET: second },
      ".env": {},
    });
    expect(findSetting(variables.tokenSecret, layers(" a ", "")).setting?.text).toBe(" a ");
    const { fault } = findSetting(variables.tokenSecret, layers("hunter2", "swordfish"));
    expect(JSON.stringify(fault)).not.toMatch(/hunter2|swordfish/);
  });
});
