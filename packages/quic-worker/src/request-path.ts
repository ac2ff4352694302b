/** The path of a request, without its query. */
export function pathOf(path: string): string {
  const query = path.indexOf("?");
  return query < 0 ? path : path.slice(0, query);
}

/** What follows the question mark. */
export function queryOf(path: string): URLSearchParams {
  const query = path.indexOf("?");
  return new URLSearchParams(query < 0 ? "" : path.slice(query + 1));
}
