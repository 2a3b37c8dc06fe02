/** Where QEMU's NVMe controller and Trapline's may differ. */
import type { Allowance, Difference } from '../../device';

export const nvmeDifferences = {
  time: {
    qemu: 'does its commands when its main loop comes to them',
    trapline: 'does them as fast as its bus is, here in no time',
    section: 'NVM Express 1.4 gives no time',
  },
  capabilities: {
    qemu: 'has all sets of I/O commands, or none',
    trapline: 'has the NVM command set alone',
    section: 'NVM Express 1.4, 3.1.1 (CAP.CSS)',
  },
  more: {
    qemu: 'has no more to say of a command that failed',
    trapline: 'says that its error log has more of it',
    section: 'NVM Express 1.4, 4.6.1 (M) and 5.14.1.1',
  },
  retry: {
    qemu: 'leaves it open whether a comparison that failed, or deleting a queue that is in use, may come to something another time',
    trapline: 'says that it need not be tried again',
    section: 'NVM Express 1.4, 4.6.1 (DNR)',
  },
  'queue identifier': {
    qemu: 'calls a completion queue that cannot be Completion Queue Invalid',
    trapline: 'calls it Invalid Queue Identifier',
    section: 'NVM Express 1.4, 5.4 (CQID of Create I/O Submission Queue) and 5.5.1',
  },
  identify: {
    qemu: 'has names, identifiers, formats and optional commands of its own',
    trapline: 'has its own, and fewer',
    section: 'NVM Express 1.4, 5.15.2.1, 5.15.2.2 and 5.15.2.4',
  },
} satisfies Record<string, Difference>;

export const nvmeAvoided: readonly Difference[] = [
  {
    qemu: 'lets neither the arbitration nor power states, coalescing, vectors or atomicity be set (Feature Not Changeable)',
    trapline: 'has them set',
    section: 'NVM Express 1.4, 5.21.1.1, 5.21.1.2 and 5.21.1.8 to 5.21.1.10',
  },
  {
    qemu: 'passes over ranges of Dataset Management that are not on the disk',
    trapline: 'refuses the command (LBA Out of Range)',
    section: 'NVM Express 1.4, 6.7',
  },
  {
    qemu: "begins with coalescing disabled for the admin queue's vector",
    trapline: 'begins with it as for all others, and never does it',
    section: 'NVM Express 1.4, 5.21.1.8 and 5.21.1.9',
  },
  {
    qemu: 'refuses to abort a command of a queue that there is not',
    trapline: 'says of it, as of any other command, that none was aborted',
    section: 'NVM Express 1.4, 5.1.1',
  },
  {
    qemu: 'takes data from any address',
    trapline: 'refuses addresses that are not those of words (Invalid PRP Offset)',
    section: 'NVM Express 1.4, 4.3 (bits 1 and 0 shall be 0; a controller may report it)',
  },
  {
    qemu: 'may have 256 namespaces, of which those that are not there are inactive (Invalid Field, or an answer of zeros)',
    trapline: 'can have one, all others being invalid (Invalid Namespace or Format)',
    section: 'NVM Express 1.4, 6.1.2 and 6.1.5',
  },
  {
    qemu: 'keeps thresholds and the write cache as they are at a reset',
    trapline: 'sets them back',
    section: 'NVM Express 1.4, 7.8 (a feature that is not saveable has its default value after a reset)',
  },
  {
    qemu: 'leaves in blocks that were deallocated what was in them, where they are no whole cluster of its disk',
    trapline: 'has them read as zeros',
    section: 'NVM Express 1.4, 6.7.1 (either may be)',
  },
  {
    qemu: 'has error recovery for each namespace',
    trapline: 'has it once',
    section: 'NVM Express 1.4, 5.21.1.5',
  },
];

/** Bytes from one up to and with another. */
function from(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** By structure (CNS): the fields in which each says what it is. */
const OWN_FIELDS: Readonly<Record<number, readonly number[]>> = {
  // Thin provisioning, formats, metadata, limits of copies, identifiers.
  0: [24, 25, 27, 28, 33, ...from(68, 71), ...from(104, 127), ...from(132, 191)],
  // Model and firmware, events, attributes, optional commands, logs, namespaces, copies and SGLs, name.
  1: [...from(24, 71), ...from(92, 99), 256, 257, 261, 262, ...from(516, 521), 534, 536, ...from(768, 1023)],
  3: from(0, 51),
};

/** What may differ in the answer to Identify. */
export function identified(cns: number): Allowance[] {
  const bytes = OWN_FIELDS[cns];
  return bytes ? [{ difference: 'identify', bytes }] : [];
}

/** Of a completion: where its status is, and bits of it. */
const STATUS_AT = 14;
const MORE = 0x4000;
const DO_NOT_RETRY = 0x8000;
const INVALID_CQ = 0x100;
const INVALID_QUEUE = 0x101;
const CODE = { shift: 1, mask: 0x7ff } as const;
/** Statuses that QEMU leaves to be tried again. */
const AGAIN: readonly number[] = [0x285, 0x10c];

/** What may differ in a completion. */
export function completed(qemu: string, trapline: string): Allowance[] {
  const [theirs, ours] = [qemu, trapline].map((text) => Buffer.from(text, 'hex').readUInt16LE(STATUS_AT));
  const code = (status: number): number => (status >> CODE.shift) & CODE.mask;
  if (code(theirs) === INVALID_CQ && code(ours) === INVALID_QUEUE)
    return [{ difference: 'queue identifier', bytes: [STATUS_AT, STATUS_AT + 1] }];
  const again = AGAIN.includes(code(ours)) && (theirs & DO_NOT_RETRY) === 0;
  const allowed = MORE | (again ? DO_NOT_RETRY : 0);
  if (((theirs ^ ours) & ~allowed) !== 0 || (theirs & MORE) !== 0) return [];
  return [{ difference: again ? 'retry' : 'more', bytes: [STATUS_AT + 1] }];
}
