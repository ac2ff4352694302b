/** One connection that is present in a channel. */
export interface Member {
  /** Id of the connection. */
  readonly connection: string;
  /** The name that the others know it by; a client may change it. */
  clientId: string;
  readonly user: string | undefined;
  /** What it last said of itself, in its own encoding; undefined while it said nothing. */
  state: Uint8Array | undefined;
  /** When it joined, in milliseconds since the Unix epoch. */
  readonly since: number;
  /** `MESH_ID` of its node, where that is another one. */
  readonly mesh?: string | undefined;
}

export interface PresenceStats {
  /** Connections present. */
  readonly members: number;
  /** Distinct users among them; a member without a user counts by its connection. */
  readonly users: number;
}
