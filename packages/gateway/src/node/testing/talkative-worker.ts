/** A worker that says much, tells what it knows, and ends when it is told to. */

process.on("SIGTERM", () => process.stderr.write("no\n"));
process.on("message", (command: { readonly type: string }) => {
  if (command.type === "leave") return;
  process.stderr.write(Array.from({ length: 99_999 }, (_, line) => `${line + 1}\n`).join(""));
  process.stdout.write("last", () => process.stderr.write("100000", () => process.exit(70)));
});
process.stdout.write('{"msg":"first"}\n');
const { STARLING_WORKER, OF_THE_SUPERVISOR } = process.env;
process.send?.({ seat: STARLING_WORKER, OF_THE_SUPERVISOR, command: process.argv[2] });
