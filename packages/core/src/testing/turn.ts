/** Far more promises than one answer waits for in a row. */
const PROMISES = 40;

/** Lets promises come to their end; not what is done outside the event loop, such as cryptography. */
export async function turn(): Promise<void> {
  for (let count = 0; count < PROMISES; count++) await undefined;
}
