import { nkeys } from "@nats-io/nats-core";

type KeyPair = ReturnType<typeof nkeys.createUser>;

const encoder = new TextEncoder();

/** An operator with one account, as `nsc` sets it up: what a server is told, and the credentials of its users. */
export class NatsOperator {
  readonly #operator = nkeys.createOperator();
  readonly #account = nkeys.createAccount();
  readonly #system = nkeys.createAccount();

  /** Lines of a server's configuration file. */
  get configuration(): string {
    const limits = {
      subs: -1,
      conn: -1,
      leaf: -1,
      imports: -1,
      exports: -1,
      data: -1,
      payload: -1,
    };
    const preloaded = [this.#account, this.#system].map((account) => {
      const jwt = sign(this.#operator, account, "account", { limits });
      return `${account.getPublicKey()}: ${jwt}`;
    });
    return [
      `operator: ${sign(this.#operator, this.#operator, "operator", {})}`,
      `system_account: ${this.#system.getPublicKey()}`,
      "resolver: MEMORY",
      `resolver_preload: { ${preloaded.join(", ")} }`,
    ].join("\n");
  }

  /** The content of a credentials file of a new user. */
  credentials(): string {
    const user = nkeys.createUser();
    const limits = { subs: -1, data: -1, payload: -1 };
    const jwt = sign(this.#account, user, "user", limits);
    const seed = new TextDecoder().decode(user.getSeed());
    return [
      `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n`,
      `-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`,
    ].join("\n");
  }
}

/** What `issuer` says of `subject`, signed. */
function sign(issuer: KeyPair, subject: KeyPair, type: string, claims: object): string {
  const part = (value: unknown) =>
    encoder.encode(JSON.stringify(value)).toBase64({ alphabet: "base64url", omitPadding: true });
  const text = [
    part({ typ: "JWT", alg: "ed25519-nkey" }),
    part({
      jti: subject.getPublicKey(),
      iat: Math.floor(Date.now() / 1_000),
      iss: issuer.getPublicKey(),
      sub: subject.getPublicKey(),
      name: type,
      nats: { ...claims, type, version: 2 },
    }),
  ].join(".");
  const signature = issuer.sign(encoder.encode(text));
  return `${text}.${signature.toBase64({ alphabet: "base64url", omitPadding: true })}`;
}
