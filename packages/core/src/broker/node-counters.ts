/** What the node counts since its start; each field only grows. */
export class NodeCounters {
  /** Deliveries that workers published. */
  publications = 0;
  /** Deliveries times the other workers that each was handed to. */
  handovers = 0;
  /** Deliveries refused because their key had become another's before they came. */
  lateKeys = 0;
  /** What became of members, as workers told it. */
  presenceEvents = 0;
  /** Presence events times the other workers that each was told to. */
  presenceNews = 0;
}
