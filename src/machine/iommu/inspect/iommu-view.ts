/** The inside of a remapping unit for a reader: registers, tables, what is cached, the invalidation queue, faults, interrupt entries. */
import { irteFields } from '../../../trace/vocabulary/irte-fields';
import type { StateNode, StatePath } from '../../inspect';
import { addressName, addressOf } from '../../pci/config';
import { branches, describedNodes, listAt, wholeBranch, type Branch } from '../../registers';
import { addressNode, bitsNode, flagNode, hex, numberNode, textNode, unreadable } from '../../state-nodes';
import { coveredBits, type CachedPage, type CachedTable } from '../caches';
import { decodeDescriptor, isWait, type Descriptor } from '../descriptors';
import { faultNames } from '../fault-names';
import { interruptFaultNames } from '../interrupts/interrupt-faults';
import type { InterruptRemapping } from '../interrupts/interrupt-remapping';
import { IRTE_BYTES, irtePosts, irtePresent, rawIrte, type RawIrte } from '../interrupts/irte';
import { Global } from '../layout';
import type { RemappingUnit } from '../remapping-unit';
import type { CacheEntry, SetCacheState } from '../set-cache';
import type { RemappingHardware } from '../state';
import { lookAt } from '../table-reader';
import { field, isSet, pageAddress, wordsOf } from '../words';
import { cachedRights, iommuDescriptions } from './descriptions';
import { structuresAt } from './structures';

/** What is shown. */
export interface IommuView {
  readonly unit: RemappingUnit;
  /** Absent: it remaps no interrupts. */
  readonly interrupts?: InterruptRemapping;
  /** What its tables are in: memory of the host, or of a guest. */
  readonly space: 'physical' | 'host';
}

const PAGE = 4096;
const requesterName = (requester: number): string => addressName(addressOf(requester));
const reasons: Readonly<Record<number, string | undefined>> = { ...faultNames, ...interruptFaultNames };

function registers(unit: RemappingUnit): StateNode {
  const values = unit.registers().map(({ name, read }): [string, number] => [name, read() >>> 0]);
  return { name: 'Registers', children: describedNodes(iommuDescriptions, 32, Object.fromEntries(values)) };
}

/** The entries of a cache, those used last first. */
function cacheBranch<V>(
  name: string,
  { sets }: SetCacheState<V>,
  show: (entry: CacheEntry<V>) => Omit<StateNode, 'name'>,
): Branch {
  const entries = sets.flatMap((set) => [...set].reverse());
  const count = textNode(name, `${entries.length} entries in ${sets.length} sets`);
  const make = (index: number): StateNode => ({ name: String(index), ...show(entries[index]) });
  return { name, at: (path) => listAt(count, entries.length, make, path) };
}

const rights = ({ read, write }: CachedTable, dirty: boolean): StateNode =>
  bitsNode('rights', (read ? 1 : 0) + (write ? 2 : 0) + (dirty ? 4 : 0), 3, cachedRights);

/** Of a page, or of a table of the next level. */
function translationEntry(
  { level, page, value }: CacheEntry<CachedPage | CachedTable>,
  target: StateNode,
): Omit<StateNode, 'name'> {
  const from = page * 2 ** coveredBits(level);
  const { domain, pasid, nested } = value;
  return {
    value: { kind: 'text', value: `${hex(from)} of domain ${domain}` },
    children: [
      addressNode('device address', from),
      numberNode('level', level),
      target,
      numberNode('domain', domain),
      ...(pasid === undefined ? [] : [numberNode('PASID', pasid)]),
      flagNode('nested', nested),
      rights({ ...value, table: 0, page: undefined }, 'dirty' in value && value.dirty),
    ],
  };
}

function caches({ caches: { contexts, pasids, pages, tables } }: RemappingHardware): Branch[] {
  return [
    cacheBranch('IOTLB', pages, (entry) =>
      translationEntry(entry, addressNode('address', entry.value.address)),
    ),
    cacheBranch('Context cache', contexts, ({ page, value }) => ({
      value: { kind: 'text', value: requesterName(page) },
      children:
        value.mode === 'legacy'
          ? [textNode('translation', value.translation.kind), numberNode('domain', value.translation.domain)]
          : [addressNode('PASID directory', value.directory), flagNode('PASIDs', value.pasids)],
    })),
    cacheBranch('PASID cache', pasids, ({ space, page, value: { translation } }) => ({
      value: { kind: 'text', value: `PASID ${page} of ${requesterName(space)}` },
      children: [textNode('translation', translation.kind), numberNode('domain', translation.domain)],
    })),
    cacheBranch('Paging-structure cache', tables, (entry) =>
      translationEntry(entry, addressNode('table', entry.value.table)),
    ),
  ];
}

/** What a descriptor asks for, in words, and its parts. */
function descriptorNode(descriptor: Descriptor): Pick<StateNode, 'value' | 'children'> {
  if ('error' in descriptor) return { value: { kind: 'text', value: `none: error ${descriptor.error}` } };
  if (isWait(descriptor)) {
    const { status, interrupt } = descriptor;
    const told = status
      ? [addressNode('status address', status.address), numberNode('status', status.data)]
      : [];
    return { value: { kind: 'text', value: 'wait' }, children: [...told, flagNode('interrupt', interrupt)] };
  }
  const { cache, scope, ...parts } = descriptor;
  const children = Object.entries(parts).flatMap(([name, part]): StateNode[] => {
    if (typeof part === 'boolean') return [flagNode(name, part)];
    if (typeof part === 'number') return [numberNode(name, part)];
    return part ? [addressNode('address', part.address), numberNode('address mask', part.mask)] : [];
  });
  return { value: { kind: 'text', value: `${cache}, ${scope}` }, children };
}

function queueAt(
  { unit, interrupts, space }: IommuView,
  { queue }: RemappingHardware,
  path: StatePath,
): StateNode | undefined {
  const { address, head, tail, enabled } = queue;
  const name = 'Invalidation queue';
  const wide = isSet(address[0], 11);
  const bytes = wide ? 32 : 16;
  const size = PAGE * 2 ** field(address[0], 0, 3);
  const base = pageAddress(address);
  const make = (index: number): StateNode => {
    const at = base + index * bytes;
    const place = index * bytes;
    const waits = (place - head + size) % size < (tail - head + size) % size;
    const node = { name: String(index), description: waits ? 'not done yet' : 'done' };
    const read = lookAt(unit.tables, at, bytes);
    if (!read) return { ...node, ...unreadable(node.name) };
    const memory = { space, address: at, length: bytes };
    return {
      ...node,
      ...descriptorNode(decodeDescriptor(wordsOf(read), unit.options, interrupts !== undefined)),
      memory,
    };
  };
  const state = enabled ? `${size / bytes} descriptors, head ${head / bytes}, tail ${tail / bytes}` : 'off';
  return listAt(textNode(name, state), enabled ? size / bytes : 0, make, path);
}

function faults({ faults: { records } }: RemappingHardware): StateNode {
  const name = 'Fault records';
  const children = Array.from({ length: records.length / 4 }, (_, index): StateNode => {
    const [low, high, source, last] = records.subarray(index * 4, index * 4 + 4);
    const node = { name: String(index) };
    if (!isSet(last, 31)) return textNode(node.name, 'free');
    const reason = field(last, 0, 8);
    return {
      ...node,
      value: { kind: 'text', value: reasons[reason] ?? `reason ${reason}` },
      children: [
        textNode('source', requesterName(field(source, 0, 16))),
        numberNode('reason', reason),
        addressNode('information', high * 2 ** 32 + low),
        textNode('request', isSet(last, 30) ? 'read' : 'write'),
        ...(isSet(source, 31) ? [numberNode('PASID', field(last, 8, 20))] : []),
      ],
    };
  });
  return { name, children };
}

/** Its four words, as far as they are. */
function irteNode(name: string, raw: RawIrte, x2apic: boolean): StateNode {
  if (!irtePresent(raw)) return textNode(name, 'not present');
  const posted = irtePosts(raw);
  const { remapped, source } = irteFields;
  const destination = posted ? irteFields.posted[1] : [remapped[1][x2apic ? 0 : 1]];
  const words = [
    posted ? irteFields.posted[0] : remapped[0],
    destination,
    source[0],
    posted ? source[1] : [],
  ];
  const vector = field(raw[0], 16, 8);
  return {
    name,
    value: { kind: 'text', value: `vector ${vector}, ${posted ? 'posted' : 'remapped'}` },
    children: words.map((fields, at) =>
      bitsNode(`bits ${at * 32 + 31} to ${at * 32}`, raw[at] >>> 0, 32, fields),
    ),
  };
}

function interruptBranches({ unit, interrupts, space }: IommuView, { global }: RemappingHardware): Branch[] {
  if (!interrupts) return [];
  const { tableAddress, x2apic, cache, ...table } = interrupts.save().hardware;
  const tableEntries = isSet(global.status, Global.setInterruptTable) ? table.tableEntries : 0;
  const entry = (index: number): StateNode => {
    const address = tableAddress + index * IRTE_BYTES;
    const bytes = lookAt(unit.tables, address, IRTE_BYTES);
    if (!bytes) return unreadable(String(index));
    const memory = { space, address, length: IRTE_BYTES };
    return { ...irteNode(String(index), rawIrte(bytes), x2apic), memory };
  };
  const list = textNode('Interrupt-remapping table', `${tableEntries} entries at ${hex(tableAddress)}`);
  const cached = textNode('Interrupt entry cache', `${cache.length} entries`);
  const cachedEntry = (at: number): StateNode => irteNode(String(cache[at][0]), cache[at][1], x2apic);
  return [
    { name: list.name, at: (path) => listAt(list, tableEntries, entry, path) },
    { name: cached.name, at: (path) => listAt(cached, cache.length, cachedEntry, path) },
  ];
}

/** What is at a path below a unit. */
export function iommuAt(view: IommuView, path: StatePath): StateNode | undefined {
  const { unit, space } = view;
  const { hardware } = unit.save();
  const { status, root: taken } = hardware.global;
  const root = isSet(status, Global.setRootTable) ? taken : undefined;
  const all: Branch[] = [
    wholeBranch('Registers', () => registers(unit)),
    { name: 'Tables', at: (below) => structuresAt({ unit, space, root }, below) },
    ...caches(hardware),
    { name: 'Invalidation queue', at: (below) => queueAt(view, hardware, below) },
    wholeBranch('Fault records', () => faults(hardware)),
    ...interruptBranches(view, hardware),
  ];
  const state = unit.translating ? 'translation is on' : 'translation is off';
  return branches('IOMMU', all, path, `A remapping unit for directed I/O (VT-d); ${state}`);
}
