/**
 * How many workers `CLUSTER_INSTANCES` asks for, with the meanings that pm2 gives it: a number is that
 * many, `max` or 0 one for each core, a negative number all cores but that many; at least one.
 *
 * @param text a value that the configuration has let through
 * @param cores cores that this process may use
 */
export function instanceCount(text: string, cores: number): number {
  const wanted = text === "max" ? 0 : Number(text);
  return Math.max(1, wanted > 0 ? wanted : cores + wanted);
}
