import { check } from "./stage.ts";

const { passed, failed } = await check();
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
