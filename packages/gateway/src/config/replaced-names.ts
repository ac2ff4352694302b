import type { EnvironmentLayers } from "./environment.ts";

/** Variables of the presence backend that have no effect, and what does their work. */
export const replacedNames: ReadonlyMap<string, string> = new Map([
  ["YOMO_ZIPPER", "`NATS_URL`"],
  ["WITH_YOMO_ZIPPER", "`NATS_URL` of a nats-server, which runs by itself"],
  ["YOMO_SNDR_NAME", "`MESH_ID`"],
  ["YOMO_RCVR_NAME", "`MESH_ID`"],
  ["YOMO_CREDENTIAL", "`NATS_CREDENTIALS`, `NATS_TOKEN`, or `NATS_USER` and `NATS_PASSWORD`"],
]);

/** Those of them that are set. */
export function replacedNamesIn(layers: EnvironmentLayers): readonly string[] {
  const isSet = (name: string) =>
    Object.values(layers).some((layer) => (layer[name] ?? "").trim() !== "");
  return [...replacedNames.keys()].filter(isSet);
}

/** One sentence about all of them; never their values, of which one is a secret. */
export function replacedNamesWarning(names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  const said = names.map((name) => `${name} (now ${replacedNames.get(name)?.replaceAll("`", "")})`);
  return `settings of the presence backend have no effect: ${said.join("; ")}; see docs/guide/mesh.md`;
}
