import type { Publication } from "../../hub/publication.ts";
import type { WorkerId } from "../broker.ts";
import type { Node } from "../node.ts";
import type { NodeDelivery, NodeMember, NodeSeat } from "../seat.ts";
import { readPublications, writePublication } from "./publication-codec.ts";
import { Reader } from "./reader.ts";
import { WireError } from "./wire-error.ts";
import { Writer } from "./writer.ts";

/**
 * Lets workers in other processes join the node of this one, which holds publications as objects.
 * One is encoded when it goes to such a worker, and not before.
 */
export function encodedNode(node: Pick<Node<Publication>, "join">): {
  join(member: NodeMember<Uint8Array>, worker: WorkerId): NodeSeat<Uint8Array>;
} {
  const writer = new Writer();
  const encode = (publication: Publication) => {
    writer.at = 0;
    writer.base = 0;
    writePublication(writer, publication);
    return writer.cut();
  };
  return { join: (member, worker) => seatOf(node.join(memberOf(member, encode), worker), encode) };
}

/** Answers bytes that are overwritten by the next call. */
type Encode = (publication: Publication) => Uint8Array;

function memberOf(member: NodeMember<Uint8Array>, encode: Encode): NodeMember<Publication> {
  return {
    deliver(app, channels, publication, taken) {
      member.deliver(app, channels, encode(publication), taken);
    },
    deliverKept(app, channel, publication, position, taken) {
      member.deliverKept(app, channel, encode(publication), position, taken);
    },
    presence: (app, channel, event) => member.presence(app, channel, event),
    channelsChanged: (app, opened, closed) => member.channelsChanged(app, opened, closed),
    ask: (method, argument, cancellation) => member.ask(method, argument, cancellation),
  };
}

function seatOf(seat: NodeSeat<Publication>, encode: Encode): NodeSeat<Uint8Array> {
  return {
    worker: seat.worker,
    interest: (app, channel, subscribers) => seat.interest(app, channel, subscribers),
    publish: (delivery) => seat.publish(decoded(delivery)),
    publishUnanswered: (delivery) => seat.publishUnanswered(decoded(delivery)),
    history(app, channel, request) {
      const page = seat.history(app, channel, request);
      const entries = page.entries.map(({ offset, time, content }) => ({
        offset,
        time,
        content: encode(content).slice(),
      }));
      return { ...page, entries };
    },
    channels: (app, page) => seat.channels(app, page),
    disconnect: (app, target) => seat.disconnect(app, target),
    ban: (app, user, until) => seat.ban(app, user, until),
    bans: (after) => seat.bans(after),
    reserve: (keys) => seat.reserve(keys),
    release: (keys) => seat.release(keys),
    take: (rate, key) => seat.take(rate, key),
    admit: (app, user) => seat.admit(app, user),
    connectionOpened: (app) => seat.connectionOpened(app),
    connectionClosed: (app) => seat.connectionClosed(app),
    connected: (app, connection, user) => seat.connected(app, connection, user),
    disconnected: (app, connection) => seat.disconnected(app, connection),
    hasRoomForChannel: (app, channel) => seat.hasRoomForChannel(app, channel),
    limitedChannels: () => seat.limitedChannels(),
    present: (app, channel, event) => seat.present(app, channel, event),
    watch: (app, channel) => seat.watch(app, channel),
    unwatch: (app, channel) => seat.unwatch(app, channel),
    members: (app, channel) => seat.members(app, channel),
    presenceStats: (app, channel) => seat.presenceStats(app, channel),
    call: (worker, method, argument, cancellation) =>
      seat.call(worker, method, argument, cancellation),
    gather: (method, argument) => seat.gather(method, argument),
    leave: () => seat.leave(),
  };
}

/** @throws WireError when there is no channel, or the bytes are no publication */
function decoded(delivery: NodeDelivery<Uint8Array>): NodeDelivery<Publication> {
  const { app, channels, streams, publication: bytes } = delivery;
  const reader = new Reader().reset(bytes, 0, bytes.length);
  const first = channels[0] ?? streams[0]?.channel;
  const [publication] = readPublications(reader, app, first === undefined ? [] : [first]);
  if (publication === undefined) throw new WireError("a delivery has no channel");
  return { ...delivery, publication };
}
