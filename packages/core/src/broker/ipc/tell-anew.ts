import { writeConnection, writeEvent } from "./messages.ts";
import { TO_NODE } from "./opcodes.ts";
import type { Told } from "./told.ts";
import type { Writer } from "./writer.ts";

/** Tells a node that knows nothing of this worker everything but its interests. */
export function tellAnew(
  told: Told,
  nextId: () => number,
  tell: (code: number, write: (writer: Writer) => void) => void,
): void {
  for (const [app, connections] of told.connections) {
    tell(TO_NODE.connectionsOpened, (writer) => {
      writer.string(app);
      writer.uint(connections);
    });
  }
  for (const connection of told.namedConnections()) {
    tell(TO_NODE.connected, (writer) => writeConnection(writer, connection));
  }
  for (const [app, channel, event] of told.presence()) {
    tell(TO_NODE.present, (writer) => {
      writer.string(app);
      writer.string(channel);
      writeEvent(writer, event);
    });
  }
  for (const [app, channel] of told.watches.entries()) {
    tell(TO_NODE.watch, (writer) => {
      writer.uint(nextId());
      writer.string(app);
      writer.string(channel);
    });
  }
}
