/** How long something may take on a busy machine before it is given up, ms. */
const PATIENCE_MS = 15_000;

/** Resolves when something has come to be. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("it has not come to be");
    await Bun.sleep(5);
  }
}
