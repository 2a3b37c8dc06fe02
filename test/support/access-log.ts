/** The guest kit's own count of its accesses, taken from a guest's memory after its run. */
import { ACCESS_LOG_SYMBOL, readAccessLog, type AccessLog } from '../../src/guest/access-log';
import { GuestImage } from '../../src/guest/image';
import type { RunJob } from '../../src/protocol/run';
import type { RunSession } from '../../src/run/session';

/** The log of VM 0 of a run that has ended. Fails where the guest's table was too small to name every page and port. */
export function accessLogOf(job: RunJob, session: RunSession): AccessLog {
  const guest = job.guests[0];
  const symbol = GuestImage.parse(guest.elf, guest.elfFile).symbol(ACCESS_LOG_SYMBOL);
  if (!symbol) throw new Error(`the guest has no ${ACCESS_LOG_SYMBOL}`);
  const log = readAccessLog(session.memory(0).read(Number(symbol.address), Number(symbol.size)));
  if (log.entriesLost !== 0)
    throw new Error(`${log.entriesLost} accesses are in no entry of the guest's table`);
  return log;
}
