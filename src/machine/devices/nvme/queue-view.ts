/** The queues of an NVMe controller as a reader of the machine's inside sees them: their figures, and their entries in memory. */
import type { StateNode, StatePath } from '../../inspect';
import { branches, listAt, type Branch } from '../../registers';
import { addressNode, bitsNode, numberNode, textNode, unreadable } from '../../state-nodes';
import { At, Entry } from './command';
import { ENTRY } from './constants';
import type { NvmeCore } from './core';
import { commandNames, completionStatus } from './descriptions';
import { entriesBetween, type CompletionQueue, type Queues, type SubmissionQueue } from './queues';

/** Offsets in a completion queue entry (4.6). */
const Completed = { result: 0, head: 8, queue: 10, command: 12, status: 14 } as const;
const COMMAND_WORDS = { cdw10: At.cdw10, cdw11: At.cdw11, cdw12: At.cdw12, cdw13: At.cdw13, cdw14: At.cdw14 };

type Decode = (bytes: Uint8Array) => Pick<StateNode, 'value' | 'children'>;

function command(queue: SubmissionQueue): Decode {
  const names = queue.id === 0 ? commandNames.admin : commandNames.io;
  return (bytes) => {
    const entry = new Entry(bytes);
    const { opcode, id } = entry;
    const words = Object.entries(COMMAND_WORDS).map(([name, at]) =>
      numberNode(name.toUpperCase(), entry.word(at)),
    );
    return {
      value: { kind: 'text', value: `${names.get(opcode) ?? `opcode ${opcode}`}, command ${id}` },
      children: [
        numberNode('opcode', opcode),
        numberNode('flags', entry.flags),
        numberNode('command identifier', id),
        numberNode('namespace', entry.namespace),
        addressNode('PRP 1', entry.long(At.prp1)),
        addressNode('PRP 2', entry.long(At.prp2)),
        ...words,
      ],
    };
  };
}

const completion: Decode = (bytes) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const id = view.getUint16(Completed.command, true);
  return {
    value: { kind: 'text', value: `command ${id}` },
    children: [
      numberNode('result', view.getUint32(Completed.result, true)),
      numberNode('submission queue head', view.getUint16(Completed.head, true)),
      numberNode('submission queue', view.getUint16(Completed.queue, true)),
      numberNode('command identifier', id),
      bitsNode('status', view.getUint16(Completed.status, true), 16, completionStatus),
    ],
  };
};

/** Entries from a position up to another are owned by one side, the others by the other. */
interface Owners {
  readonly from: number;
  readonly to: number;
  readonly within: string;
  readonly without: string;
}

function queueBranch(
  core: NvmeCore,
  name: string,
  { base, size }: SubmissionQueue | CompletionQueue,
  entryBytes: number,
  owners: Owners,
  decode: Decode,
): Branch {
  const { from, to, within, without } = owners;
  const entry = (index: number): StateNode => {
    const address = base + index * entryBytes;
    const bytes = core.bus.dma.look?.(core.pci.requester(), address, entryBytes);
    const owned = entriesBetween(from, index, size) < entriesBetween(from, to, size);
    const node = { name: String(index), description: owned ? within : without };
    return bytes ? { ...node, ...decode(bytes) } : { ...node, ...unreadable(node.name) };
  };
  return {
    name,
    at: (path) => {
      const value = `${size} entries at 0x${base.toString(16)}, head ${from}, tail ${to}`;
      return listAt(textNode(name, value), size, entry, path);
    },
  };
}

/** What is at a path below the queues that exist now. */
export function queuesAt(core: NvmeCore, queues: Queues, path: StatePath): StateNode | undefined {
  const submission = [...queues.submission.values()].map((queue) => {
    const { head: from, tail: to } = queue;
    const owners = { from, to, within: 'controller', without: 'driver' };
    return queueBranch(core, `SQ ${queue.id}`, queue, ENTRY.submission, owners, command(queue));
  });
  const completed = [...queues.completion.values()].map((queue) => {
    const { head: from, posted: to } = queue;
    const owners = { from, to, within: 'driver', without: 'controller' };
    return queueBranch(core, `CQ ${queue.id}`, queue, ENTRY.completion, owners, completion);
  });
  return branches('Queues', [...submission, ...completed], path);
}
