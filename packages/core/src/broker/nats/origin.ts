/**
 * Names a worker, among all of the mesh and of all times, and says which node it is of.
 *
 * @param node names one start of the node; it holds no dot, and neither does `worker`
 * @param meshId names the node for people
 */
export function originOf(node: string, worker: string, meshId: string): string {
  return `${node}.${worker}.${meshId}`;
}

export function isOfNode(origin: string, node: string): boolean {
  return origin.startsWith(node) && origin[node.length] === ".";
}

/** The `MESH_ID` in an origin; undefined where it says none. */
export function meshIdOf(origin: string): string | undefined {
  const afterNode = origin.indexOf(".") + 1;
  const afterWorker = afterNode === 0 ? 0 : origin.indexOf(".", afterNode) + 1;
  return afterWorker === 0 || afterWorker === origin.length ? undefined : origin.slice(afterWorker);
}
