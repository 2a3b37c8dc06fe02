/** The configuration space of one function for a reader: its header, BARs and capabilities. Reading it has no effects. */
import type { StateNode, StatePath } from '../inspect';
import { branches, registerNode, wholeBranch, type Branch } from '../registers';
import { flagNode, hex, numberNode, textNode } from '../state-nodes';
import { capabilitiesOf, extendedCapabilitiesOf, peekNumber, type FoundCapability } from './capability-list';
import { Config } from './config';
import {
  capabilityDescriptions,
  extendedCapabilityDescriptions,
  headerRegisters,
  type CapabilityDescription,
  type ConfigRegister,
} from './descriptions';
import type { BarSpec, PciFunction } from './function';

/** `8086:100e, class 020000`, as `lspci -n` tells it; identifiers are those that a driver takes it for. */
export function functionTitle(fn: PciFunction): string {
  const { vendorId, deviceId, classCode } = fn.identity;
  const digits = (value: number, count: number): string => value.toString(16).padStart(count, '0');
  const title = `${digits(vendorId, 4)}:${digits(deviceId, 4)}, class ${digits(classCode, 6)}`;
  return fn.present ? title : `${title}, not on the bus`;
}

function registersAt(fn: PciFunction, registers: readonly ConfigRegister[], begin: number): StateNode[] {
  return registers.map(({ at, bytes, ...rest }) =>
    registerNode({ ...rest, value: BigInt(peekNumber(fn, begin + at, bytes)), bits: 8 * bytes }),
  );
}

const BAR_KINDS = { memory32: '32-bit memory', memory64: '64-bit memory', io: 'I/O ports' } as const;

function barNode(fn: PciFunction, bar: BarSpec): StateNode {
  const { index, kind, size, name } = bar;
  const decodes = fn.decodedAt(bar) !== undefined;
  return {
    name: `BAR ${index}`,
    description: `${name}: ${BAR_KINDS[kind]}.`,
    value: { kind: 'address', value: BigInt(fn.barBase(bar)) },
    children: [numberNode('size', size, 'bytes'), flagNode('decodes', decodes)],
  };
}

function capabilities(
  fn: PciFunction,
  found: readonly FoundCapability[],
  descriptions: Readonly<Record<number, CapabilityDescription | undefined>>,
): StateNode[] {
  return found.map(({ id, at }, index) => {
    const description = descriptions[id];
    const plain = description?.name ?? `capability ${hex(id)}`;
    // A function may have several of one kind: the further ones are told apart by where they are.
    const again = found.slice(0, index).some((each) => each.id === id);
    return {
      ...textNode(again ? `${plain} at ${hex(at)}` : plain, `at ${hex(at)}`),
      children: registersAt(fn, description?.registers ?? [], at),
    };
  });
}

/** What is at a path below a function. */
export function functionAt(fn: PciFunction, path: StatePath): StateNode | undefined {
  const all: Branch[] = [
    wholeBranch('Header', () => ({
      name: 'Header',
      children: registersAt(fn, headerRegisters, Config.VendorId),
    })),
    wholeBranch('BARs', () => ({ name: 'BARs', children: fn.bars.map((bar) => barNode(fn, bar)) })),
    wholeBranch('Capabilities', () => ({
      name: 'Capabilities',
      children: [
        ...capabilities(fn, capabilitiesOf(fn), capabilityDescriptions),
        ...capabilities(fn, extendedCapabilitiesOf(fn), extendedCapabilityDescriptions),
      ],
    })),
    ...fn.views,
  ];
  return branches('function', all, path, functionTitle(fn));
}
