/** Whoever waits for a message that was lost would wait for ever. */
export async function inTime<T>(measured: Promise<T>, ms: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("not all messages arrived in time")), ms);
  try {
    return await Promise.race([measured, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
