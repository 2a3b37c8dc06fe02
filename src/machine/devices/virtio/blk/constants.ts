/** Numbers of the block device (Virtual I/O Device specification 1.3, section 5.2). */

/** Feature bits (5.2.3). */
export const BlkFeature = {
  SIZE_MAX: 1,
  SEG_MAX: 2,
  RO: 5,
  BLK_SIZE: 6,
  FLUSH: 9,
  TOPOLOGY: 10,
  CONFIG_WCE: 11,
  MQ: 12,
  DISCARD: 13,
  WRITE_ZEROES: 14,
} as const;

/** Offsets in the configuration space (5.2.4), and its length. */
export const Config = {
  capacity: 0,
  sizeMax: 8,
  segMax: 12,
  blockSize: 20,
  physicalBlockExponent: 24,
  alignmentOffset: 25,
  minIoSize: 26,
  optimalIoSize: 28,
  writeback: 32,
  queues: 34,
  maxDiscardSectors: 36,
  maxDiscardSegments: 40,
  discardAlignment: 44,
  maxZeroesSectors: 48,
  maxZeroesSegments: 52,
  zeroesMayUnmap: 56,
  bytes: 60,
} as const;

/** What requests and capacity count in, whatever the logical block is (5.2.4). */
export const SECTOR = 512;

/** Fields of the header before each request, and its length (5.2.6). */
export const Header = { type: 0, sector: 8, bytes: 16 } as const;

/** Types of requests (5.2.6). */
export const RequestType = {
  IN: 0,
  OUT: 1,
  FLUSH: 4,
  GET_ID: 8,
  DISCARD: 11,
  WRITE_ZEROES: 13,
} as const;

/** What the last byte of a request tells of its end (5.2.6). */
export const BlkStatus = { OK: 0, IOERR: 1, UNSUPP: 2 } as const;
export type BlkStatus = (typeof BlkStatus)[keyof typeof BlkStatus];

/** Bytes of the device's name: what GET_ID asks for (5.2.6). */
export const ID_BYTES = 20;

/** One range of a DISCARD or a WRITE_ZEROES (5.2.6): its fields, and its length. */
export const Range = { sector: 0, sectors: 8, flags: 12, bytes: 16 } as const;
/** Flag of a range: WRITE_ZEROES may deallocate it. */
export const UNMAP = 1;

/** Descriptors of each queue, as QEMU has them; a request has a header and a status beside its data. */
export const QUEUE_SIZE = 256;
export const MOST_SEGMENTS = QUEUE_SIZE - 2;
/** Bytes that a driver is asked not to exceed with one segment. */
export const LONGEST_SEGMENT = 1 << 20;
/** Sectors of one range: what QEMU's block layer takes at once, 2 GiB less a sector. */
export const MOST_RANGE_SECTORS = 0x3f_ffff;
/** Ranges of one request. */
export const MOST_RANGES = 32;

/** Why the device needs a reset: numbers that no fault of a queue has. */
export const BlkFault = { NoHeader: 0x100, NoStatus: 0x101 } as const;
/** In words, for the trace. */
export const blkReasons: Readonly<Record<string, string>> = {
  [BlkFault.NoHeader]: 'a request is shorter than its header',
  [BlkFault.NoStatus]: 'a request has no room for its status',
};

/** Times that the device waits for: the medium has done a request. */
export const BlkEvent = { Done: 0 } as const;
