/**
 * Whether `presented` equals `secret`, in a time that depends on the length of `presented` alone.
 *
 * Nothing about the secret, not even its length, can be learned from how long the answer takes:
 * the loop runs over what the caller sent and wraps around the secret. The caller bounds the
 * length of `presented`. An empty secret equals nothing, so that a forgotten setting opens no door.
 */
export function equalInConstantTime(presented: string, secret: string): boolean {
  const secretLength = secret.length;
  let difference = presented.length ^ secretLength;
  if (secretLength === 0) difference = 1;
  let position = 0;
  for (let index = 0; index < presented.length; index++) {
    difference |= presented.charCodeAt(index) ^ secret.charCodeAt(position);
    position = position + 1 < secretLength ? position + 1 : 0;
  }
  return difference === 0;
}

/**
 * Index of the secret that equals `presented`, or -1; every secret is compared, whichever matches.
 */
export function indexInConstantTime(presented: string, secrets: readonly string[]): number {
  let found = -1;
  for (let index = 0; index < secrets.length; index++) {
    if (equalInConstantTime(presented, secrets[index] ?? "")) found = index;
  }
  return found;
}
