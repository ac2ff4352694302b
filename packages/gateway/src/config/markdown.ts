/** Columns of generated text. */
export const WIDTH = 88;

export function paragraph(text: string): string {
  return wrapped(text, WIDTH).join("\n");
}

export function bullets(texts: readonly string[]): string {
  return texts.map((text) => `- ${wrapped(text, WIDTH - 2).join("\n  ")}`).join("\n");
}

/** A table whose columns are as wide as their widest cell, the way that the formatter has it. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = head.map((_, column) => {
    return Math.max(3, ...cells.map((row) => row[column]?.length ?? 0));
  });
  const line = (row: readonly string[], filler: string) => {
    const padded = widths.map((width, column) => (row[column] ?? "").padEnd(width, filler));
    return `| ${padded.join(" | ")} |`;
  };
  const [first = [], ...others] = cells;
  return [line(first, " "), line([], "-"), ...others.map((row) => line(row, " "))].join("\n");
}

/** Lines of at most `width` characters, longer words aside. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
