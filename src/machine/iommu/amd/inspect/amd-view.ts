/** The inside of AMD's IOMMU for a reader: registers, device table, interrupt remapping tables, command buffer and log. */
import { amdFields } from '../../../../trace/vocabulary/amd-fields';
import type { StateNode, StatePath } from '../../../inspect';
import type { DescriptorMemory } from '../../../interrupts/posted-descriptor';
import { branches, describedNodes, listAt, nodeAt, wholeBranch, type Branch } from '../../../registers';
import { addressNode, bitsNode, hex, numberNode, textNode, unreadable } from '../../../state-nodes';
import { wordsOf, type Words } from '../../words';
import { COMMAND_BYTES, decodeCommand } from '../commands';
import {
  AMD_IRTE_BYTES,
  DEVICE_ENTRY_BYTES,
  decodeAmdIrte,
  decodeDeviceEntry,
  irteEnabled,
  type AmdIrte,
} from '../entries';
import { LOG_ENTRY_BYTES, logTag, type AmdRing } from '../guest-log';
import { AmdReg, amdRegisterNames } from '../layout';
import { amdDescriptions } from './descriptions';

/** What is shown. */
export interface AmdShown {
  /** A register's dword by its offset. */
  readonly register: (offset: number) => number;
  readonly memory: Pick<DescriptorMemory, 'read'>;
  readonly deviceTable: { readonly base: number; readonly bytes: number };
  readonly commands: AmdRing;
  readonly log: AmdRing;
}

/** Entries of a ring that are shown. */
const MOST_WAITING = 256;

function registersNode({ register }: AmdShown): StateNode {
  const values = Object.fromEntries([...amdRegisterNames].map(([at, name]) => [name, register(at)]));
  return { name: 'Registers', children: describedNodes(amdDescriptions, 32, values) };
}

/** Valid entries, by the requester IDs of their functions. */
function deviceTable({ memory, deviceTable: { base, bytes }, register }: AmdShown): Branch {
  const name = 'Device table';
  const isThere = (register(AmdReg.DeviceTable) | register(AmdReg.DeviceTable + 4)) !== 0;
  return {
    name,
    description: 'What becomes of interrupts of each function (2.2.2).',
    at: (path) => {
      if (!isThere) return path.length === 0 ? textNode(name, 'not set') : undefined;
      const table = memory.read(base, bytes);
      if (!table) return path.length === 0 ? unreadable(name) : undefined;
      const all: Branch[] = [];
      for (let device = 0; device < bytes / DEVICE_ENTRY_BYTES; device++) {
        const at = device * DEVICE_ENTRY_BYTES;
        const words = wordsOf(table.subarray(at, at + DEVICE_ENTRY_BYTES));
        if (decodeDeviceEntry(words).valid) all.push(deviceBranch(memory, base + at, device, words));
      }
      return branches(name, all, path);
    },
  };
}

function deviceBranch(memory: AmdShown['memory'], address: number, device: number, words: Words): Branch {
  const name = hex(device, 4);
  const [low, high] = amdFields.deviceEntry;
  const { table, entries } = decodeDeviceEntry(words);
  const list = 'Interrupt remapping table';
  return {
    name,
    description: `Entry of the function with requester ID ${hex(device, 4)}, at ${hex(address)}.`,
    at: ([first, ...rest]) => {
      if (first === list) return interruptTable(list, memory, table, entries ?? 0, rest);
      const node: StateNode = {
        name,
        memory: { space: 'host', address, length: DEVICE_ENTRY_BYTES },
        children: [
          bitsNode('bits 159 to 128', words[4], 32, low),
          bitsNode('bits 191 to 160', words[5], 32, high),
          { name: list, description: `At ${hex(table)} (2.2.5).`, more: true },
        ],
      };
      return nodeAt(node, first === undefined ? [] : [first, ...rest]);
    },
  };
}

function interruptTable(
  name: string,
  memory: AmdShown['memory'],
  table: number,
  entries: number,
  path: StatePath,
): StateNode | undefined {
  const bytes = memory.read(table, entries * AMD_IRTE_BYTES);
  if (!bytes) return path.length === 0 ? unreadable(name) : undefined;
  const words = (index: number): Words =>
    wordsOf(bytes.subarray(index * AMD_IRTE_BYTES, (index + 1) * AMD_IRTE_BYTES));
  const enabled = Array.from({ length: entries }, (_, index) => index).filter((index) =>
    irteEnabled(words(index)),
  );
  return listAt({ name }, enabled.length, (at) => irteNode(enabled[at], table, words(enabled[at])), path);
}

function irteNode(index: number, table: number, words: Words): StateNode {
  const entry = decodeAmdIrte(words);
  const [lower, second] = entry?.guest ? amdFields.irteGuest : amdFields.irteRemapped;
  const [third, upper] = amdFields.irteUpper;
  return {
    ...textNode(String(index), entry ? irteText(entry) : 'has reserved bits set'),
    memory: { space: 'host', address: table + index * AMD_IRTE_BYTES, length: AMD_IRTE_BYTES },
    children: [
      bitsNode('bits 31 to 0', words[0], 32, lower),
      bitsNode('bits 63 to 32', words[1], 32, second),
      bitsNode('bits 95 to 64', words[2], 32, third),
      bitsNode('bits 127 to 96', words[3], 32, upper),
    ],
  };
}

function irteText(entry: AmdIrte): string {
  const vector = `vector ${hex(entry.vector, 2)}`;
  if (!entry.guest) return `${vector} to APIC ID ${hex(entry.destination)}`;
  return `${vector} to the backing page at ${hex(entry.backingPage)}`;
}

/** A ring with what waits in it, from the head to the tail. */
function ringNode(
  name: string,
  { base, size, head, tail }: AmdRing,
  entryBytes: number,
  memory: AmdShown['memory'],
  tell: (words: Words) => string,
): StateNode {
  const waiting: StateNode[] = [];
  for (
    let at = head;
    at !== tail && at < size && waiting.length < MOST_WAITING;
    at = (at + entryBytes) % size
  ) {
    const bytes = memory.read(base + at, entryBytes);
    const place = String(at / entryBytes);
    waiting.push(bytes ? textNode(place, tell(wordsOf(bytes))) : unreadable(place));
  }
  return {
    name,
    children: [
      addressNode('base', base),
      numberNode('size', size, 'bytes'),
      numberNode('head', head / entryBytes),
      numberNode('tail', tail / entryBytes),
      { name: 'waiting', children: waiting },
    ],
  };
}

function commandText(words: Words): string {
  const command = decodeCommand(words);
  if (!command) return 'no command';
  return 'device' in command ? `${command.kind} of ${hex(command.device, 4)}` : command.kind;
}

function logText(words: Words): string {
  const tag = logTag(words);
  return tag === undefined ? 'another kind of entry' : `tag ${hex(tag)} does not run`;
}

/** What is at a path below the unit. */
export function amdIommuAt(shown: AmdShown, path: StatePath): StateNode | undefined {
  const { memory } = shown;
  const all: Branch[] = [
    wholeBranch('Registers', () => registersNode(shown)),
    deviceTable(shown),
    wholeBranch(
      'Command buffer',
      () => ringNode('Command buffer', shown.commands, COMMAND_BYTES, memory, commandText),
      'What software has asked for and is not done (2.4).',
    ),
    wholeBranch(
      'Guest virtual APIC log',
      () => ringNode('Guest virtual APIC log', shown.log, LOG_ENTRY_BYTES, memory, logText),
      'Interrupts of vCPUs that did not run, which software has not read (2.8).',
    ),
  ];
  return branches('IOMMU', all, path, "AMD's IOMMU, its part about interrupts.");
}
