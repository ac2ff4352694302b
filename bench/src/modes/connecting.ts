/** TLS handshakes and joins in the making at the same time. */
export const CONNECT_WINDOW = 64;

/** How long one subscriber may take from connecting to joining. */
export const CONNECT_TIMEOUT_MS = 30_000;
