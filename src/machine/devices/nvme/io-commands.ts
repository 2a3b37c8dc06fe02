/** The NVM command set (6). What a command does to the medium happens at once, at the end of its time. */
import { mergedRanges } from '../storage/ranges';
import { At, longAt, type Entry } from './command';
import { EVERY_NAMESPACE, Io, NAMESPACE } from './constants';
import type { NvmeCore } from './core';
import type { CommandKind, Outcome } from './executor';
import type { Features } from './features';
import { refuse, Status, type Refusal } from './status';

/** Command word 12: the block goes to the medium before the command ends. */
const FORCE_UNIT_ACCESS = 1 << 30;
/** Dataset Management: one of its ranges, and what is done with them. */
const RANGE_BYTES = 16;
const DEALLOCATE = 1 << 2;
/** What the SMART log counts in. */
const UNIT_BYTES = 512;
const SUCCESS: Outcome = { status: Status.Success };

/** NVM commands by opcode. */
export function ioCommands(core: NvmeCore, features: Features): ReadonlyMap<number, CommandKind> {
  const { image, counters, timing } = core;
  const { blockSize } = core.options;
  const bytesOf = (entry: Entry): number => blocksOf(entry) * blockSize;
  const offsetOf = (entry: Entry): number => entry.long(At.cdw10) * blockSize;
  /** With the write cache, or past it. */
  const writeTime = (entry: Entry): number => {
    const through = features.writeCache && (entry.word(At.cdw12) & FORCE_UNIT_ACCESS) !== 0;
    return timing.writeNanoseconds + (through ? timing.flushNanoseconds : 0);
  };
  /** Within the namespace; the answer is `bytes` then. */
  const within = (entry: Entry, bytes: number): number | Refusal => {
    if (entry.namespace !== NAMESPACE) return refuse(Status.InvalidNamespace, At.namespace);
    const fits = entry.long(At.cdw10) + blocksOf(entry) <= core.blocks;
    return fits ? bytes : refuse(Status.LbaOutOfRange, At.cdw10);
  };

  return new Map<number, CommandKind>([
    [
      Io.Read,
      {
        direction: 'out',
        check: (entry) => within(entry, bytesOf(entry)),
        nanoseconds: () => timing.readNanoseconds,
        perform: (entry) => {
          counters.reads += 1;
          counters.unitsRead += bytesOf(entry) / UNIT_BYTES;
          return { status: Status.Success, data: image.read(offsetOf(entry), bytesOf(entry)) };
        },
      },
    ],
    [
      Io.Write,
      {
        direction: 'in',
        check: (entry) => within(entry, bytesOf(entry)),
        nanoseconds: writeTime,
        perform: (entry, data) => {
          counters.writes += 1;
          counters.unitsWritten += data.length / UNIT_BYTES;
          image.write(offsetOf(entry), data);
          return SUCCESS;
        },
      },
    ],
    [
      Io.Compare,
      {
        direction: 'in',
        check: (entry) => within(entry, bytesOf(entry)),
        nanoseconds: () => timing.readNanoseconds,
        perform: (entry, data) => {
          counters.reads += 1;
          const there = image.read(offsetOf(entry), data.length);
          return there.every((byte, i) => byte === data[i]) ? SUCCESS : { status: Status.CompareFailure };
        },
      },
    ],
    [
      Io.WriteZeroes,
      {
        direction: 'none',
        check: (entry) => within(entry, 0),
        nanoseconds: writeTime,
        perform: (entry) => {
          image.clear(offsetOf(entry), bytesOf(entry));
          return SUCCESS;
        },
      },
    ],
    [
      Io.Flush,
      {
        direction: 'none',
        check: ({ namespace }) => (everywhere(namespace) ? 0 : refuse(Status.InvalidNamespace, At.namespace)),
        nanoseconds: () => (features.writeCache ? timing.flushNanoseconds : timing.controllerNanoseconds),
        perform: () => SUCCESS,
      },
    ],
    [
      Io.DatasetManagement,
      {
        direction: 'in',
        check: (entry) => {
          if (entry.namespace !== NAMESPACE) return refuse(Status.InvalidNamespace, At.namespace);
          return ((entry.word(At.cdw10) & 0xff) + 1) * RANGE_BYTES;
        },
        nanoseconds: () => timing.writeNanoseconds,
        perform: (entry, data) => deallocate(core, entry, data),
      },
    ],
  ]);
}

/** Blocks of a command that has them in word 12. */
function blocksOf(entry: Entry): number {
  return (entry.word(At.cdw12) & 0xffff) + 1;
}

/** The one namespace, or all there are (Identify, VWC). */
function everywhere(namespace: number): boolean {
  return namespace === NAMESPACE || namespace === EVERY_NAMESPACE;
}

/** All ranges, or none where one is not on the disk. Other attributes are hints. */
function deallocate(core: NvmeCore, entry: Entry, data: Uint8Array): Outcome {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const ranges = Array.from({ length: data.length / RANGE_BYTES }, (_, i) => ({
    blocks: view.getUint32(i * RANGE_BYTES + 4, true),
    first: longAt(view, i * RANGE_BYTES + 8),
  }));
  if (ranges.some(({ blocks, first }) => first + blocks > core.blocks))
    return { status: Status.LbaOutOfRange };
  if ((entry.word(At.cdw11) & DEALLOCATE) === 0) return SUCCESS;
  const { blockSize } = core.options;
  for (const { blocks, first } of mergedRanges(ranges))
    core.image.clear(first * blockSize, blocks * blockSize);
  return SUCCESS;
}
