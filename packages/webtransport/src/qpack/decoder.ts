import { FieldReader, failed } from "./field-reader.ts";
import { type Field, staticTable } from "./static-table.ts";

/**
 * Decodes an encoded field section (RFC 9204, section 4.5) of a peer that was told to use no
 * dynamic table: any reference to one is an error.
 *
 * @throws Http3Error with QPACK_DECOMPRESSION_FAILED
 */
export function decodeFieldSection(section: Uint8Array): Field[] {
  const reader = new FieldReader(section);
  if (reader.integer(8) !== 0) throw failed("it needs a dynamic table");
  if ((reader.peek() & 0x80) !== 0) throw failed("its base is negative");
  reader.integer(7);
  const fields: Field[] = [];
  while (!reader.isAtEnd) fields.push(readField(reader));
  return fields;
}

function readField(reader: FieldReader): Field {
  const first = reader.peek();
  if ((first & 0x80) !== 0) {
    // Indexed field line: 1Txxxxxx.
    if ((first & 0x40) === 0) throw failed("an index of a dynamic table");
    return staticField(reader.integer(6));
  }
  if ((first & 0x40) !== 0) {
    // Literal field line with name reference: 01NTxxxx.
    if ((first & 0x10) === 0) throw failed("a name of a dynamic table");
    const [name] = staticField(reader.integer(4));
    return [name, reader.string(7)];
  }
  if ((first & 0x20) !== 0) {
    // Literal field line with literal name: 001NHxxx.
    const name = reader.string(3);
    return [name, reader.string(7)];
  }
  throw failed("a post-base index of a dynamic table");
}

function staticField(index: number): Field {
  const field = staticTable[index];
  if (field === undefined) throw failed(`the static table has no entry ${index}`);
  return field;
}
