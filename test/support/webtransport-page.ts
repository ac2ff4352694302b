/** The user of WebTransport in a page; those in Deno wait for no datagrams, and need none of this. */

import "./patient-webtransport.ts";
import "./webtransport-user.ts";
