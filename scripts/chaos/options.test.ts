import { describe, expect, test } from "bun:test";
import { parseOptions } from "./options.ts";

describe("the command line", () => {
  test("has a length and a seed, and each has a default", () => {
    expect(parseOptions(["--minutes", "0.5", "--seed", "0"], 9)).toEqual({
      minutes: 0.5,
      seed: 0,
      only: "",
    });
    expect(parseOptions([], 9)).toEqual({ minutes: 10, seed: 9, only: "" });
  });

  test("can name some scenarios", () => {
    expect(parseOptions(["--only", "nats-"], 9)).toEqual({ minutes: 10, seed: 9, only: "nats-" });
  });

  test("can ask for help", () => {
    expect(parseOptions(["--minutes", "3", "--help"], 9)).toBe("help");
    expect(parseOptions(["-h"], 9)).toBe("help");
  });

  test.each([
    [["--minutes", "0"], "--minutes: a number above 0"],
    [["--minutes", ""], "--minutes: a number above 0"],
    [["--minutes", "9".repeat(400)], "--minutes: a number above 0"],
    [["--seed", "1.5"], "--seed: a whole number from 0 to 4294967295"],
    [["--seed", "4294967296"], "--seed: a whole number"],
    [["--seed", "0x10"], "--seed: a whole number"],
    [["--seeds", "1"], "--seeds"],
    [["5"], "5"],
  ])("is refused for %j", (args, message) => {
    expect(() => parseOptions(args, 9)).toThrow(message);
  });
});
