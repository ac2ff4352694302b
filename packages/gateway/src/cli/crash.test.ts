import { expect, test } from "bun:test";
import { join } from "node:path";

/** Runs a program that dies of `statement` after it asked for a report. */
async function crashWith(statement: string) {
  const program = `
    import { onCrash } from ${JSON.stringify(join(import.meta.dir, "crash.ts"))};
    onCrash(async (error) => console.log("reported:", error.message));
    setInterval(() => {}, 60_000);
    queueMicrotask(() => { ${statement} });
  `;
  const child = Bun.spawn([process.execPath, "-e", program], { stderr: "pipe" });
  const out = await new Response(child.stdout).text();
  return { out, code: await child.exited };
}

test("an error that nothing caught is reported once, and the process ends with 70", async () => {
  const outcome = { out: "reported: broken\n", code: 70 };
  expect(await crashWith('throw new Error("broken");')).toEqual(outcome);
  expect(await crashWith('Promise.reject(new Error("broken"));')).toEqual(outcome);
});

test("a report that fails does not keep the process alive", async () => {
  const { code } = await crashWith("throw undefined;");
  expect(code).toBe(70);
});
