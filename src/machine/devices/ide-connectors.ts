/**
 * The PC's two IDE channels with no drive at either. A host has a pull-down resistor at line 7 of the data bus (ATA/ATAPI-6, DD7), so
 * that BSY reads as 0 where no drive is, and software does not wait half a minute for one; all other lines read as 1.
 */
import type { AccessSize, RegisterBlock } from '../bus';

/** Command and control block of each channel. */
export const IDE_PORTS = [
  { base: 0x1f0, size: 8 },
  { base: 0x3f6, size: 1 },
  { base: 0x170, size: 8 },
  { base: 0x376, size: 1 },
] as const;

/** The data register, the only one that has 16 bits. */
const DATA = 0;
const DATA_BYTES = 2;
const BYTE = 0x7f;
const BUSY_LINE = 0x80;

/** What reads as an empty channel, and takes no notice of writes. */
export const emptyIdeChannel: RegisterBlock = {
  read: (offset: number, size: AccessSize): number => {
    let value = 0;
    for (let lane = size - 1; lane >= 0; lane--) {
      const upperHalf = offset === DATA && lane % DATA_BYTES !== 0;
      value = value * 256 + (upperHalf ? BYTE | BUSY_LINE : BYTE);
    }
    return value;
  },
  write: () => undefined,
  registerName: () => undefined,
};
