import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A page of this repository, as text. */
export function page(path: string): string {
  return readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");
}

/** The first block of code of a language below a heading; throws where there is none. */
export function codeBelow(text: string, heading: string, language: string): string {
  const [, section] = text.split(`\n${heading}\n`);
  const block = section?.split(`\n\`\`\`${language}\n`)[1]?.split("\n```")[0];
  if (block === undefined) throw new Error(`no block of ${language} below "${heading}"`);
  return block;
}
