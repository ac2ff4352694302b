import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { httpPublisher } from "../load/http-publisher.ts";
import { type Announced, startListening } from "../processes.ts";
import { debianVersion, endsWithBench, installed } from "./debian.ts";
import type { CertificateFiles, HttpPeer } from "./peer.ts";
import { plainDialect } from "./plain-dialect.ts";
import { socketIoEvent } from "./socketio-dialect.ts";

const MODULE = "/usr/lib/nginx/modules/ngx_nchan_module.so";
const MODULE_PACKAGE = "libnginx-mod-nchan";
const packages = ["nginx", MODULE_PACKAGE];

/** nginx with the module nchan, both from Debian: WebSocket subscribers, publishers over HTTPS. */
function nchanPeer(name: string, workers: number): HttpPeer {
  const program = (): string => installed(name, "nginx", packages);
  const module = (): string => installed(name, MODULE, packages);
  const peer: HttpPeer = {
    name,
    versions: () => {
      program();
      module();
      return { nginx: debianVersion("nginx"), nchan: debianVersion(MODULE_PACKAGE) };
    },
    start: ({ certificate, directory }) => {
      const port = freePort();
      const file = join(directory, "nginx.conf");
      const settings = { module: module(), workers, directory, certificate, port };
      writeFileSync(file, nginxConfiguration(settings));
      return startListening({
        // Before it has read the configuration it would write to the system's error log.
        command: endsWithBench([program(), "-e", "stderr", "-p", directory, "-c", file]),
        directory,
        environment: {},
        announced: (line) => nginxAnnounced(line, port),
      });
    },
    subscriber: (user) => plainDialect(`/subscribe/${user}`),
    publisher: (url) => httpPublisher(url, peer),
    endpoints: [
      {
        name: "POST /publish",
        delivers: true,
        request: (channel, data) => ({
          path: `/publish/${channel}`,
          contentType: "text/plain",
          body: socketIoEvent(channel, data),
        }),
      },
    ],
  };
  return peer;
}

export const nchan = nchanPeer("nchan", 1);
export const nchanTwoWorkers = nchanPeer("nchan-2-workers", 2);

/** nginx cannot be told to let the system choose. */
function freePort(): number {
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: () => undefined },
  });
  const { port } = listener;
  listener.stop(true);
  return port;
}

/** The master starts its workers after it has bound its ports. */
export function nginxAnnounced(line: string, port: number): Announced {
  if (!/start worker process \d+$/.test(line)) return {};
  const url = new URL(`https://127.0.0.1:${port}/`);
  return { publisher: url, subscriber: url };
}

interface NginxSettings {
  readonly module: string;
  readonly workers: number;
  readonly directory: string;
  readonly certificate: CertificateFiles;
  readonly port: number;
}

/** Everything as it comes, except that messages are not kept: no other peer keeps them. */
function nginxConfiguration(settings: NginxSettings): string {
  const { module, workers, directory, certificate, port } = settings;
  return `
load_module ${module};
daemon off;
worker_processes ${workers};
worker_rlimit_nofile 20000;
pid ${directory}/nginx.pid;
lock_file ${directory}/nginx.lock;
error_log stderr notice;
events { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${certificate.certificate};
    ssl_certificate_key ${certificate.key};
    location ~ ^/subscribe/(.+)$ {
      nchan_subscriber websocket;
      nchan_channel_id $1;
      nchan_subscriber_first_message newest;
    }
    location ~ ^/publish/(.+)$ {
      nchan_publisher http;
      nchan_channel_id $1;
      nchan_message_buffer_length 0;
    }
  }
}
`;
}
