/**
 * What a VT-d unit has to do with an interrupt request, worked out from the specification (4.x, 5.1 and 5.2; entries 9.10 and
 * 9.11, descriptor 9.12) by fields of whole 128-, 512- and 64-bit integers, and from nothing of the code under test.
 */

/** The unit's registers and capabilities, and memory as a function. */
export interface OracleUnit {
  interruptRemapping: boolean;
  /** GSTS_REG.CFIS. */
  compatibilityPasses: boolean;
  irta: bigint;
  extendedMode: boolean;
  posting: boolean;
  hostAddressWidth: bigint;
  /** A requester that is none of those which are compared with an entry's; absent: there is none. */
  unverified?: bigint;
  /** `length` bytes as a little-endian integer; undefined where there is no memory. */
  read(address: bigint, length: number): bigint | undefined;
}

/** A message on its way to local APICs, as comparable text. */
export interface OracleMessage {
  vector: bigint;
  mode: bigint;
  level: boolean;
  logical: boolean;
  destination: bigint;
}

export type OracleOutcome =
  | { is: 'message'; message: OracleMessage }
  | { is: 'posted'; address: bigint; before: bigint; after: bigint; notification: OracleMessage | undefined }
  | { is: 'blocked'; reason: number; recorded: boolean }
  | { is: 'ignored' };

/** Bits `high` to `low` of an integer. */
export function field(value: bigint, high: number, low = high): bigint {
  return (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
}

const EVERYBODY = 0xffffffffn;
const FIXED = 0n;
const LOWEST = 1n;

function plain(address: bigint, data: bigint): OracleOutcome {
  const [level, assert] = [field(data, 15) === 1n, field(data, 14) === 1n];
  if (field(address, 63, 20) !== 0xfeen || (level && !assert)) return { is: 'ignored' };
  const mode = field(data, 10, 8);
  const destination = field(address, 19, 12);
  return {
    is: 'message',
    message: {
      vector: field(data, 7, 0),
      mode: mode === FIXED && field(address, 3) === 1n ? LOWEST : mode,
      level,
      logical: field(address, 2) === 1n,
      destination: destination === 0xffn ? EVERYBODY : destination,
    },
  };
}

function sourceAllowed(entry: bigint, requester: bigint): boolean {
  const sid = field(entry, 79, 64);
  switch (field(entry, 83, 82)) {
    case 0n:
      return true;
    case 1n: {
      const devices = field(sid, 15, 3) === field(requester, 15, 3);
      const bit = (n: number): boolean => field(sid, n) === field(requester, n);
      const functions = [bit(0) && bit(1) && bit(2), bit(0) && bit(1), bit(0), true];
      return devices && functions[Number(field(entry, 81, 80))];
    }
    default:
      return field(requester, 15, 8) >= field(sid, 15, 8) && field(requester, 15, 8) <= field(sid, 7, 0);
  }
}

function entryReserved(unit: OracleUnit, entry: bigint, wide: boolean): boolean {
  const svtReserved = field(entry, 83, 82) === 3n;
  if (field(entry, 15) === 1n) {
    const address = (field(entry, 127, 96) << 32n) | (field(entry, 63, 38) << 6n);
    return (
      !unit.posting ||
      svtReserved ||
      address >> unit.hostAddressWidth !== 0n ||
      [field(entry, 7, 2), field(entry, 13, 12), field(entry, 37, 24), field(entry, 95, 84)].some(
        (f) => f !== 0n,
      )
    );
  }
  const fields = [field(entry, 14, 12), field(entry, 31, 24), field(entry, 127, 84)];
  if (!wide) fields.push(field(entry, 39, 32), field(entry, 63, 48));
  return svtReserved || [3n, 6n].includes(field(entry, 7, 5)) || fields.some((f) => f !== 0n);
}

/** What is to become of a request. Of a posted one, nothing is written here. */
export function decide(unit: OracleUnit, requester: bigint, address: bigint, data: bigint): OracleOutcome {
  const blocked = (reason: number, recorded = true): OracleOutcome => ({ is: 'blocked', reason, recorded });
  if (!unit.interruptRemapping) return plain(address, data);
  const wide = unit.extendedMode && field(unit.irta, 11) === 1n;
  if (field(address, 4) === 0n)
    return wide || !unit.compatibilityPasses ? blocked(0x25) : plain(address, data);
  const subhandle = field(address, 3) === 1n;
  if (subhandle && field(data, 31, 16) !== 0n) return blocked(0x20);
  const handle = (field(address, 2) << 15n) | field(address, 19, 5);
  const index = handle + (subhandle ? field(data, 15, 0) : 0n);
  if (index >= 1n << (field(unit.irta, 3, 0) + 1n)) return blocked(0x21);
  const at = (field(unit.irta, 63, 12) << 12n) + 16n * index;
  if (at >> unit.hostAddressWidth !== 0n) return blocked(0x21);
  const entry = unit.read(at, 16);
  if (entry === undefined) return blocked(0x23);
  const recorded = field(entry, 1) === 0n;
  if (field(entry, 0) === 0n) return blocked(0x22, recorded);
  if (entryReserved(unit, entry, wide)) return blocked(0x24, recorded);
  if (requester !== unit.unverified && !sourceAllowed(entry, requester)) return blocked(0x26, recorded);
  const addressed = (raw: bigint): bigint => {
    if (wide) return raw;
    return field(raw, 15, 8) === 0xffn ? EVERYBODY : field(raw, 15, 8);
  };
  if (field(entry, 15) === 1n) return post(unit, entry, wide, recorded, addressed);
  const mode = field(entry, 7, 5);
  return {
    is: 'message',
    message: {
      vector: field(entry, 23, 16),
      mode: mode === FIXED && field(entry, 3) === 1n ? LOWEST : mode,
      level: field(entry, 4) === 1n,
      logical: field(entry, 2) === 1n,
      destination: addressed(field(entry, 63, 32)),
    },
  };
}

function post(
  unit: OracleUnit,
  entry: bigint,
  wide: boolean,
  recorded: boolean,
  addressed: (raw: bigint) => bigint,
): OracleOutcome {
  const address = (field(entry, 127, 96) << 32n) | (field(entry, 63, 38) << 6n);
  const before = unit.read(address, 64);
  if (before === undefined) return { is: 'blocked', reason: 0x27, recorded };
  const fields = [field(before, 271, 258), field(before, 287, 280), field(before, 511, 320)];
  if (!wide) fields.push(field(before, 295, 288), field(before, 319, 304));
  if (fields.some((f) => f !== 0n)) return { is: 'blocked', reason: 0x28, recorded };
  const urgent = field(entry, 14) === 1n;
  const notify = field(before, 256) === 0n && (urgent || field(before, 257) === 0n);
  const after = before | (1n << field(entry, 23, 16)) | (notify ? 1n << 256n : 0n);
  const notification: OracleMessage = {
    vector: field(before, 279, 272),
    mode: FIXED,
    level: false,
    logical: false,
    destination: addressed(field(before, 319, 288)),
  };
  return { is: 'posted', address, before, after, notification: notify ? notification : undefined };
}
