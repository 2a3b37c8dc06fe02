/** Kernels that are no ELF file: their Multiboot header tells where the bytes go (Multiboot Specification 0.6.96, 3.1.3). */
import { GuestImageError } from '../errors';
import type { ElfSection, ElfSymbol, GuestFile, LoadSegment } from '../file';
import type { MultibootHeader } from '../boot/multiboot-header';

/**
 * The one segment that the address fields of a header describe.
 * @throws GuestImageError when they contradict each other or the file
 */
export function addressedSegment(bytes: Uint8Array, name: string, header: MultibootHeader): LoadSegment {
  const fail = (what: string): never => {
    throw new GuestImageError(`${name} has a damaged Multiboot header: ${what}.`);
  };
  const { addresses, offset } = header;
  if (!addresses) return fail('it has no address fields');
  const { load, loadEnd, bssEnd } = addresses;
  const before = addresses.header - load;
  if (before < 0)
    fail(`header_addr 0x${addresses.header.toString(16)} lies below load_addr 0x${load.toString(16)}`);
  const from = offset - before;
  if (from < 0) fail(`load_addr 0x${load.toString(16)} would lie ${-from} bytes before the file's beginning`);
  const size = loadEnd === 0 ? bytes.length - from : loadEnd - load;
  if (size < 0) fail(`load_end_addr 0x${loadEnd.toString(16)} lies below load_addr 0x${load.toString(16)}`);
  if (from + size > bytes.length) {
    fail(
      `it loads ${size} bytes from offset ${from}, but the file has only ${bytes.length}: it is truncated`,
    );
  }
  const memorySize = bssEnd === 0 ? size : bssEnd - load;
  if (memorySize < size) fail(`bss_end_addr 0x${bssEnd.toString(16)} lies below the end of what is loaded`);
  const address = BigInt(load);
  return {
    address,
    virtualAddress: address,
    bytes: bytes.subarray(from, from + size),
    memorySize: BigInt(memorySize),
    readable: true,
    writable: true,
    executable: true,
  };
}

/** A kernel without a file format of its own. It has no symbols. */
export class FlatFile implements GuestFile {
  readonly bias = 0n;
  readonly entry: bigint;
  readonly segments: readonly LoadSegment[];
  readonly sections: readonly ElfSection[] = [];
  readonly buildId = undefined;
  readonly addressBytes = 4;

  /** @throws GuestImageError when the header's address fields do not fit the file */
  constructor(
    readonly bytes: Uint8Array,
    readonly name: string,
    header: MultibootHeader,
  ) {
    this.segments = [addressedSegment(bytes, name, header)];
    this.entry = BigInt(header.addresses?.entry ?? 0);
  }

  section(): undefined {
    return undefined;
  }

  symbols(): readonly ElfSymbol[] {
    return [];
  }
}
