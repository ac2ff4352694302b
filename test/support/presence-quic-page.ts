/** The page of the presence client for WebTransport, where nobody says again what was lost. */

import "./patient-webtransport.ts";
import "./presence-page.ts";
