/** A program that uses the presence client with no more of a `window` than that asks for. */

Object.assign(globalThis, { window: { addEventListener() {} } });
// The client looks at its window while it is loaded.
const { PresenceUser } = await import("./presence-user.ts");
const user = new PresenceUser();

/** What the test sends, and gets back with `value` when it is done. */
export interface Call {
  readonly number: number;
  readonly method: keyof typeof user;
  readonly args: readonly unknown[];
}

process.on("message", async ({ number, method, args }: Call) => {
  const value: unknown = await Reflect.apply(user[method], user, args);
  process.send?.({ number, value });
});
process.on("disconnect", () => process.exit());
