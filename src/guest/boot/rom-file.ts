/** A firmware image that a PC has in a ROM and begins with, at its reset vector. */
import { GuestImageError } from '../errors';
import type { ElfSection, ElfSymbol, GuestFile, LoadSegment } from '../file';

/** Flash parts of a PC, in bytes: whole blocks, and no more than is kept free for it below 4 GiB. */
const ROM_BLOCK = 0x10000;
const ROM_MAX = 16 << 20;
/** Sixteen bytes before 4 GiB. */
const RESET_VECTOR = 0xfffffff0n;

/** The image. Nothing of it is loaded, and it has no symbols. */
export class RomFile implements GuestFile {
  readonly bias = 0n;
  readonly entry = RESET_VECTOR;
  readonly segments: readonly LoadSegment[] = [];
  readonly sections: readonly ElfSection[] = [];
  readonly buildId = undefined;
  readonly addressBytes = 4;

  /** @throws GuestImageError when no ROM has this size */
  constructor(
    readonly bytes: Uint8Array,
    readonly name: string,
  ) {
    const { length } = bytes;
    if (length === 0 || length % ROM_BLOCK !== 0 || length > ROM_MAX) {
      throw new GuestImageError(
        `${name} has ${length} bytes, and a firmware image has a multiple of 64 KiB up to 16 MiB: name the image of the whole ROM, padded to its size, that ends with the reset vector.`,
      );
    }
  }

  section(): undefined {
    return undefined;
  }

  symbols(): readonly ElfSymbol[] {
    return [];
  }
}
