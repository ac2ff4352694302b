/** What the name of an app or of a namespace looks like. */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** Completes "must be"; the same words wherever a name is refused. */
export const NAME_RULE =
  "a name is 1 to 64 letters, digits, - and _, and begins with a letter or digit";

/** What a public key looks like: nothing that a query string or a comma list would change. */
export const PUBLIC_KEY = /^[A-Za-z0-9._~-]{1,255}$/;

export const PUBLIC_KEY_RULE = "a public key is 1 to 255 letters, digits, and . _ ~ -";
