/** Milliseconds for which either end of a link may be silent, where nothing else is said. */
export const DEFAULT_LEASE_MS = 10_000;
