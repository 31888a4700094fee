const blockBytes = 512;

/** Puts files into a tar archive (POSIX ustar), with one time for all, in milliseconds since the Unix epoch. */
export function tar(files: ReadonlyMap<string, Uint8Array>, time: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (const [name, bytes] of files) {
    const padding = new Uint8Array((blockBytes - (bytes.byteLength % blockBytes)) % blockBytes);
    blocks.push(header(name, bytes.byteLength, time), bytes, padding);
  }
  blocks.push(new Uint8Array(2 * blockBytes));
  return Buffer.concat(blocks);
}

function header(name: string, size: number, time: number): Uint8Array {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, width: number, at: number): void => {
    block.write(
      `${Math.floor(value)
        .toString(8)
        .padStart(width - 1, "0")}\0`,
      at,
      "latin1",
    );
  };
  block.write(name, 0, 100, "utf8");
  octal(0o644, 8, 100);
  octal(0, 8, 108);
  octal(0, 8, 116);
  octal(size, 12, 124);
  octal(time / 1000, 12, 136);
  block.write("        ", 148, "latin1"); // the checksum counts its own field as spaces
  block.write("0", 156, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
