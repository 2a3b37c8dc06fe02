/**
 * Zstandard (RFC 8878) by the library's own code as WebAssembly. The package waits for its instance; here it is made at the first use,
 * so that whoever reads a block gets it at once.
 */
import { readFileSync } from 'node:fs';
import factory, { type ZstdModule } from '@foxglove/wasm-zstd/dist/wasm-zstd.js';

const WASM_FILE = 'wasm-zstd.wasm';
/** Fast, and close to what higher levels reach on columns. */
const LEVEL = 1;

/** The functions, and memory for what goes in and comes out. */
interface Zstd {
  module: Required<ZstdModule>;
  /** Addresses and size of two rooms. */
  input: number;
  output: number;
  room: number;
}

let instance: Zstd | undefined;

/** The instance with at least so much room for input and for output. */
function zstd(bytes: number): Zstd {
  instance ??= { module: load(), input: 0, output: 0, room: 0 };
  if (bytes > instance.room) {
    const { module } = instance;
    module._free(instance.input);
    module._free(instance.output);
    instance = { module, input: module._malloc(bytes), output: module._malloc(bytes), room: bytes };
    if (instance.input === 0 || instance.output === 0) {
      instance = undefined;
      throw new RangeError(`there is no memory for ${bytes} bytes`);
    }
  }
  return instance;
}

function load(): Required<ZstdModule> {
  const module: ZstdModule = {
    instantiateWasm(imports, done) {
      const file = module.locateFile?.(WASM_FILE) ?? WASM_FILE;
      const made = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)), imports);
      done(made);
      return made.exports;
    },
  };
  factory(module);
  return module as Required<ZstdModule>;
}

/** One frame with the bytes. */
export function compress(bytes: Uint8Array): Uint8Array {
  const bound = (instance?.module ?? zstd(1).module)._compressBound(bytes.length);
  const { module, input, output, room } = zstd(bound);
  module.HEAPU8.set(bytes, input);
  const length = module._compress(output, room, input, bytes.length, LEVEL);
  if (length < 0) throw new RangeError(`${bytes.length} bytes could not be compressed`);
  return module.HEAPU8.slice(output, output + length);
}

/**
 * Unpacks frames that have exactly `length` bytes in all, and puts as many of them as there is room for into `target`.
 * @returns whether they do; false where they are damaged or have others
 */
export function decompress(frames: Uint8Array, length: number, target: Uint8Array): boolean {
  const { module, input, output } = zstd(Math.max(frames.length, length, 1));
  module.HEAPU8.set(frames, input);
  try {
    if (module._decompress(output, length, input, frames.length) !== length) return false;
  } catch {
    // It has never been seen to trap; should it, nothing of its memory is to be relied on.
    instance = undefined;
    return false;
  }
  target.set(module.HEAPU8.subarray(output, output + Math.min(length, target.length)));
  return true;
}
