import type { CloseName } from "@starling/protocol/close-codes.ts";
import { PacketType } from "socket.io-parser";
import { type Answer, allAnswers, whenAnswered } from "../../answer.ts";
import type { Channel } from "../../hub/channel.ts";
import { cursorWith } from "../../hub/cursor.ts";
import type { Hub } from "../../hub/hub.ts";
import { each, type OneOrMany } from "../../hub/one-or-many.ts";
import type { Position } from "../../hub/position.ts";
import type { Publication } from "../../hub/publication.ts";
import type { Frame, Subscriber, WireFormat } from "../../hub/subscriber.ts";
import type { Follower } from "../engine/cluster.ts";
import type { FollowedConnection } from "./application.ts";
import {
  encodePacket,
  namespaceOfApp,
  recoverableSocketIoFormat,
  socketIoFormat,
} from "./packets.ts";

/**
 * Stands in the hub for a connection that is still at another worker. It has the connection's name,
 * so that whoever is disconnected while moving is found here as well as there.
 */
export class Shadow implements Subscriber {
  channels: OneOrMany<Channel>;
  bagIndex = -1;
  readonly id: string;
  readonly app: string;
  readonly user: string | undefined;
  readonly format: WireFormat;
  readonly socket = undefined;
  /** See `Following`. */
  ready: Answer<void> = undefined;
  readonly #hub: Hub;
  readonly #follower: Follower;

  private constructor(
    { id, app, user, isRecoverable }: FollowedConnection,
    hub: Hub,
    follower: Follower,
  ) {
    this.id = id;
    this.app = app;
    this.user = user;
    this.format = isRecoverable ? recoverableSocketIoFormat : socketIoFormat;
    this.#hub = hub;
    this.#follower = follower;
  }

  /** @throws StarlingError when one of the channels cannot be had */
  static of(connection: FollowedConnection, hub: Hub, follower: Follower): Shadow {
    const shadow = new Shadow(connection, hub, follower);
    hub.register(shadow);
    try {
      const { channels } = connection;
      const subscribed = channels.map((channel) => hub.subscribe(shadow, channel));
      shadow.ready = whenAnswered(allAnswers([...subscribed, shadow.caughtUp()]), () => {});
      // Whoever follows gives up for other reasons, too.
      if (shadow.ready instanceof Promise) shadow.ready.catch(() => {});
    } catch (error) {
      shadow.stop();
      throw error;
    }
    return shadow;
  }

  caughtUp(): Answer<void> {
    const channels = Array.from(each(this.channels), ({ name }) => name);
    return this.#hub.caughtUp(this.app, channels);
  }

  stop(): void {
    this.#hub.unregister(this);
  }

  deliver(frames: readonly Frame[], id?: number, _?: number, publication?: Publication): void {
    const { cursor, position } = publication ?? {};
    if (publication === undefined || cursor === undefined) {
      this.#follower.deliver({ frames, id });
      return;
    }
    const framesBehind = (others: readonly Position[]) =>
      this.format.encode({ ...publication, cursor: cursorWith(cursor, others) });
    this.#follower.deliver({ frames, id, position, framesBehind });
  }

  isReady(): boolean {
    return false;
  }

  cutSlow(): void {
    this.#follower.close("slow_consumer");
  }

  close(reason: CloseName): void {
    this.#follower.close(reason);
  }

  disconnect(reason: CloseName): void {
    const nsp = namespaceOfApp(this.app);
    this.#follower.close(
      reason,
      encodePacket({ type: PacketType.DISCONNECT, nsp, data: undefined }),
    );
  }
}
