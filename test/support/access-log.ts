/** Reads the guest kit's own count of its accesses (`struct tl_access_log` of trapline.h) from a guest's memory. */
import { GuestImage } from '../../src/guest/image';
import type { RunJob } from '../../src/protocol/run';
import type { RunSession } from '../../src/run/session';

/** Totals, and one counter for each page of registers and each port. */
export interface AccessLog {
  mmio: number;
  pio: number;
  msr: number;
  cpuid: number;
  hlt: number;
  vmcalls: number;
  /** Accesses by page-aligned physical address. */
  pages: Map<number, { reads: number; writes: number }>;
  ports: Map<number, { reads: number; writes: number }>;
}

const MAGIC = 0x474f4c54;
const HEADER_BYTES = 16 + 10 * 8;
const ENTRY_BYTES = 32;

/** The log of VM 0 of a run that has ended. */
export function readAccessLog(job: RunJob, session: RunSession): AccessLog {
  const guest = job.guests[0]!;
  const symbol = GuestImage.parse(guest.elf, guest.elfFile).symbol('tl_access_log');
  if (!symbol) throw new Error('the guest has no tl_access_log');
  const bytes = session.memory(0).read(Number(symbol.address), Number(symbol.size));
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (view.getUint32(0, true) !== MAGIC) throw new Error('tl_access_log has another layout');
  const word = (at: number): number => Number(view.getBigUint64(at, true));
  const [mmioReads, mmioWrites, pioReads, pioWrites, msrReads, msrWrites, cpuid, hlt, vmcalls, lost] =
    Array.from({ length: 10 }, (_, i) => word(16 + i * 8)) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
  if (lost !== 0) throw new Error(`the guest's table is too small: ${lost} accesses are not in it`);
  const log: AccessLog = {
    mmio: mmioReads + mmioWrites,
    pio: pioReads + pioWrites,
    msr: msrReads + msrWrites,
    cpuid,
    hlt,
    vmcalls,
    pages: new Map(),
    ports: new Map(),
  };
  const used = view.getUint32(8, true);
  for (let i = 0; i < used; i++) {
    const at = HEADER_BYTES + i * ENTRY_BYTES;
    const counters = { reads: word(at + 8), writes: word(at + 16) };
    (word(at + 24) === 1 ? log.ports : log.pages).set(word(at), counters);
  }
  return log;
}
