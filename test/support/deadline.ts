/** How long a test waits for an event before it fails, in milliseconds. */
export const patience = 5_000;

/** Settles as `promise` does, or rejects and says what was missing once `ms` have passed. */
export async function within<T>(promise: Promise<T>, what: string, ms = patience): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expiry = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, expiry]);
  } finally {
    clearTimeout(timer);
  }
}

/** Between two attempts, so that who is waited for gets the processor. */
const PAUSE_MS = 10;

/** Repeats `attempt` until it gives something other than `undefined`. */
export async function eventually<T>(
  what: string,
  attempt: () => Promise<T | undefined>,
  ms = patience,
): Promise<T> {
  const end = Date.now() + ms;
  do {
    const result = await attempt();
    if (result !== undefined) return result;
    await Bun.sleep(PAUSE_MS);
  } while (Date.now() < end);
  throw new Error(`${what}: not within ${ms} ms`);
}
