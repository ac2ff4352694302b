/** Files that `with { type: "text" }` imports as their text, where TypeScript would see modules. */
declare module "socket.io-client/dist/socket.io.js" {
  const text: string;
  export default text;
}
declare module "*/demo.js" {
  const text: string;
  export default text;
}
declare module "*/event-list.js" {
  const text: string;
  export default text;
}
declare module "*.css" {
  const text: string;
  export default text;
}
declare module "*.svg" {
  const text: string;
  export default text;
}
