import { check, conclude } from "./stage.ts";

conclude(await check());
