import { expect, test } from "bun:test";
import { headers } from "@nats-io/nats-core";
import { MessageIdHeader } from "./message-id.ts";

test("the header is written as the library writes it, for one message after the other", () => {
  const header = new MessageIdHeader();
  for (const id of ["Vq3nXw.worker.mesh one.1", "a".repeat(255), "x"]) {
    const own = headers();
    own.set("Nats-Msg-Id", id);
    header.id = id;
    expect(header.encode()).toEqual((own as MessageIdHeader).encode());
  }
});
