/** The log pages that Get Log Page returns (5.14.1), beside the error log. */
import { TEMPERATURE } from './constants';
import type { NvmeCore } from './core';
import type { Features } from './features';

const PAGE_BYTES = 512;
/** Offsets in the SMART log (figure 196). */
const Health = {
  warning: 0,
  temperature: 1,
  spare: 3,
  spareThreshold: 4,
  unitsRead: 32,
  unitsWritten: 48,
  reads: 64,
  writes: 80,
  powerCycles: 112,
  powerOnHours: 128,
  errors: 176,
} as const;
const WARNING_TEMPERATURE = 1 << 1;
const SPARE_PERCENT = 100;
const SPARE_THRESHOLD_PERCENT = 10;
const UNITS_OF_A_COUNT = 1000;
const SECONDS_PER_HOUR = 3600;

/** The SMART log: what was done with the disk, and how it is. */
export function healthLog({ counters, bus }: NvmeCore, { limits }: Features): Uint8Array {
  const bytes = new Uint8Array(PAGE_BYTES);
  const view = new DataView(bytes.buffer);
  const put = (at: number, value: number): void => view.setBigUint64(at, BigInt(Math.floor(value)), true);
  const beyond = TEMPERATURE >= limits.over || TEMPERATURE <= limits.under;
  bytes[Health.warning] = beyond ? WARNING_TEMPERATURE : 0;
  view.setUint16(Health.temperature, TEMPERATURE, true);
  bytes[Health.spare] = SPARE_PERCENT;
  bytes[Health.spareThreshold] = SPARE_THRESHOLD_PERCENT;
  put(Health.unitsRead, Math.ceil(counters.unitsRead / UNITS_OF_A_COUNT));
  put(Health.unitsWritten, Math.ceil(counters.unitsWritten / UNITS_OF_A_COUNT));
  put(Health.reads, counters.reads);
  put(Health.writes, counters.writes);
  put(Health.powerCycles, 1);
  put(Health.powerOnHours, bus.now() / (bus.cyclesPerNanosecond * 1e9) / SECONDS_PER_HOUR);
  put(Health.errors, counters.errors);
  return bytes;
}

/** The firmware slots: one, which runs. */
export function firmwareLog(): Uint8Array {
  const bytes = new Uint8Array(PAGE_BYTES);
  bytes[0] = 1;
  bytes.set(
    Uint8Array.from('1.0     ', (letter) => letter.charCodeAt(0)),
    8,
  );
  return bytes;
}
