import { systemRandom } from "../runtime/system.ts";

/** The variable in which the first process of a node tells its name to those that it starts. */
const NAME_VARIABLE = "STARLING_NODE";
const NAME_BYTES = 9;

/** Names this node among all of the mesh and of all times: the same in all of its processes. */
export function nodeName(): string {
  const { env } = process;
  env[NAME_VARIABLE] ??= systemRandom.bytes(NAME_BYTES).toBase64({ alphabet: "base64url" });
  return env[NAME_VARIABLE];
}
