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
  return { join: (member, worker) => seatOf(node.join(memberOf(member), worker)) };
}

function memberOf(member: NodeMember<Uint8Array>): NodeMember<Publication> {
  const writer = new Writer();
  return {
    deliver(app, channels, publication, taken) {
      // The link has copied what was written before.
      writer.at = 0;
      writer.base = 0;
      writePublication(writer, publication);
      member.deliver(app, channels, writer.cut(), taken);
    },
    presence: (app, channel, event) => member.presence(app, channel, event),
    channelsChanged: (app, opened, closed) => member.channelsChanged(app, opened, closed),
    ask: (method, argument, cancellation) => member.ask(method, argument, cancellation),
  };
}

function seatOf(seat: NodeSeat<Publication>): NodeSeat<Uint8Array> {
  return {
    worker: seat.worker,
    interest: (app, channel, subscribers) => seat.interest(app, channel, subscribers),
    publish: (delivery) => seat.publish(decoded(delivery)),
    publishUnanswered: (delivery) => seat.publishUnanswered(decoded(delivery)),
    channels: (app, page) => seat.channels(app, page),
    disconnect: (app, target) => seat.disconnect(app, target),
    reserve: (keys) => seat.reserve(keys),
    release: (keys) => seat.release(keys),
    take: (rate, key) => seat.take(rate, key),
    admit: (app) => seat.admit(app),
    connectionOpened: (app) => seat.connectionOpened(app),
    connectionClosed: (app) => seat.connectionClosed(app),
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
  const { app, channels, publication: bytes } = delivery;
  const reader = new Reader().reset(bytes, 0, bytes.length);
  const [publication] = readPublications(reader, app, channels.slice(0, 1));
  if (publication === undefined) throw new WireError("a delivery has no channel");
  return { ...delivery, publication };
}
