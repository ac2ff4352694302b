/** A page that uses the presence client; the test evaluates calls of `user`. */

import { PresenceUser } from "./presence-user.ts";

Object.assign(globalThis, { user: new PresenceUser() });
