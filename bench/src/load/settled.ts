const POLL_MS = 100;
const QUIET_MS = 500;
const LONGEST_MS = 120_000;

/** Waits until a count has not grown for half a second, or for two minutes. */
export async function settled(count: () => number): Promise<void> {
  const deadline = performance.now() + LONGEST_MS;
  let last = count();
  let since = performance.now();
  while (performance.now() - since < QUIET_MS && performance.now() < deadline) {
    await Bun.sleep(POLL_MS);
    if (count() === last) continue;
    last = count();
    since = performance.now();
  }
}
