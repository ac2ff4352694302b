import type { NodeObserver } from "../broker/observer.ts";
import type { Member } from "../hub/member.ts";

/** Remembers what it hears, each as a line of text. */
export class RecordingObserver implements NodeObserver {
  readonly heard: string[] = [];

  opened(app: string, channel: string): void {
    this.heard.push(`opened ${app} ${channel}`);
  }

  closed(app: string, channel: string): void {
    this.heard.push(`closed ${app} ${channel}`);
  }

  joined(app: string, channel: string, { connection, clientId }: Member): void {
    this.heard.push(`joined ${app} ${channel} ${connection} ${clientId}`);
  }

  left(app: string, channel: string, { connection, clientId }: Member): void {
    this.heard.push(`left ${app} ${channel} ${connection} ${clientId}`);
  }

  connected(app: string, connection: string, user: string | undefined): void {
    this.heard.push(`connected ${app} ${connection} ${user}`);
  }

  disconnected(app: string, connection: string, user: string | undefined): void {
    this.heard.push(`disconnected ${app} ${connection} ${user}`);
  }

  /** What was heard, and forgets it. */
  take(): string[] {
    return this.heard.splice(0);
  }
}
