/** Names a user among those of all apps. */
export function userKey(app: string, user: string): string {
  // No name of an app has a NUL.
  return `${app}\0${user}`;
}
