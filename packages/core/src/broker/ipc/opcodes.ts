/** First value of a message from a worker to the node; what follows it is the writer's business. */
export const TO_NODE = {
  interest: 1,
  publish: 2,
  publishUnanswered: 3,
  channels: 4,
  disconnect: 5,
  reserve: 6,
  release: 7,
  take: 8,
  admit: 9,
  connectionsOpened: 10,
  connectionClosed: 11,
  present: 12,
  watch: 13,
  unwatch: 14,
  members: 15,
  presenceStats: 16,
  call: 17,
  gather: 18,
  ask: 19,
  cancel: 20,
  answer: 21,
  fail: 22,
  leave: 23,
} as const;

/** First value of a message from the node to a worker, or to whoever asks it something. */
export const TO_WORKER = {
  deliver: 1,
  presence: 2,
  channelsChanged: 3,
  channelsAre: 4,
  question: 5,
  cancelQuestion: 6,
  answer: 7,
  fail: 8,
  progress: 9,
} as const;
