/**
 * Configuration space register by register (PCI Local Bus Specification 3.0, 6.1, 6.2 and 6.8; PCI Express Base Specification 6.0, 7.5,
 * 7.8, 9.3 and 10.5; PCI Bus Power Management Interface Specification 1.2, 3.2).
 */
import { choice, flag, number, pointer } from '../../trace/vocabulary/bit-fields';
import type { BitField } from '../../trace/vocabulary/kind-row';
import type { RegisterDescriptions } from '../registers';
import { CapabilityId, Config, ExtendedCapabilityId } from './config';

/** A register of configuration space: its offset from the beginning of the header or of its capability. */
export interface ConfigRegister {
  readonly name: string;
  readonly at: number;
  readonly bytes: 1 | 2 | 3 | 4;
  readonly meaning: string;
  readonly fields?: readonly BitField[];
}

/** A capability: what it is called, and its registers. */
export interface CapabilityDescription {
  readonly name: string;
  readonly registers: readonly ConfigRegister[];
}

const register = (
  name: string,
  at: number,
  bytes: ConfigRegister['bytes'],
  meaning: string,
  fields?: readonly BitField[],
): ConfigRegister => ({ name, at, bytes, meaning, ...(fields && { fields }) });

/** The ports of configuration mechanism #1 (3.2.2.3.2). */
export const configPortDescriptions: RegisterDescriptions = {
  CONFIG_ADDRESS: {
    meaning: 'Which register of which function CONFIG_DATA is.',
    fields: [
      number('register', 2, 7),
      number('function', 8, 10),
      number('device', 11, 15),
      number('bus', 16, 23),
      flag('enable', 31),
    ],
  },
};

/** The header of type 0, without its BARs. */
export const headerRegisters: readonly ConfigRegister[] = [
  register('Vendor ID', Config.VendorId, 2, 'Manufacturer (6.2.1).'),
  register('Device ID', Config.DeviceId, 2, 'Device (6.2.1).'),
  register('Command', Config.Command, 2, 'What the function may do (6.2.2).', [
    flag('I/O space', 0),
    flag('memory space', 1),
    flag('bus master', 2),
    flag('parity error response', 6),
    flag('SERR#', 8),
    flag('interrupt disable', 10),
  ]),
  register('Status', Config.Status, 2, 'What has happened, and what there is (6.2.3).', [
    flag('interrupt', 3),
    flag('capabilities', 4),
    flag('master data parity error', 8),
    flag('signaled target abort', 11),
    flag('received target abort', 12),
    flag('received master abort', 13),
    flag('signaled system error', 14),
    flag('detected parity error', 15),
  ]),
  register('Revision ID', Config.RevisionId, 1, 'Revision of the device (6.2.1).'),
  register('Class Code', Config.ClassCode, 3, 'What kind of device it is (6.2.1).', [
    number('interface', 0, 7),
    number('sub-class', 8, 15),
    number('base class', 16, 23),
  ]),
  register('Cache Line Size', Config.CacheLineSize, 1, 'In units of 4 bytes (6.2.4).'),
  register('Latency Timer', Config.LatencyTimer, 1, 'In clocks of the bus (6.2.4).'),
  register('Header Type', Config.HeaderType, 1, 'Layout of the header (6.2.1).', [
    number('type', 0, 6),
    flag('several functions', 7),
  ]),
  register('BIST', Config.Bist, 1, 'Self-test (6.2.4).'),
  register('Subsystem Vendor ID', Config.SubsystemVendorId, 2, 'Manufacturer of the card (6.2.4).'),
  register('Subsystem ID', Config.SubsystemId, 2, 'Card (6.2.4).'),
  register('Expansion ROM Base Address', Config.RomBase, 4, 'Where its ROM answers (6.2.5.2).', [
    flag('enable', 0),
    pointer('address', 11, 31),
  ]),
  register('Capabilities Pointer', Config.CapabilitiesPointer, 1, 'First capability (6.7).'),
  register('Interrupt Line', Config.InterruptLine, 1, 'For software alone: where the pin leads (6.2.4).'),
  register('Interrupt Pin', Config.InterruptPin, 1, 'Which pin it uses (6.2.4).', [
    choice('pin', 0, 2, ['none', 'INTA#', 'INTB#', 'INTC#', 'INTD#']),
  ]),
  register('Min_Gnt', Config.MinGrant, 1, 'Burst that it needs, in 250 ns (6.2.4).'),
  register('Max_Lat', Config.MaxLatency, 1, 'How often it needs the bus, in 250 ns (6.2.4).'),
];

const ports = ['endpoint', 'legacy endpoint', 'reserved', 'reserved', 'root port'];
const deviceTypes = [...ports, 'upstream port', 'downstream port', 'bridge', 'bridge', 'integrated endpoint'];
const payloads = ['128 bytes', '256 bytes', '512 bytes', '1024 bytes', '2048 bytes', '4096 bytes'];
const speed = choice('speed', 0, 3, ['none', '2.5 GT/s', '5 GT/s', '8 GT/s', '16 GT/s']);
const location = [number('BAR (BIR)', 0, 2), pointer('offset', 3, 31)];

/** Capabilities in the first 256 bytes, by identifier. */
export const capabilityDescriptions: Readonly<Record<number, CapabilityDescription | undefined>> = {
  [CapabilityId.powerManagement]: {
    name: 'Power Management',
    registers: [
      register('PMC', 2, 2, 'What can be had (3.2.3).', [
        number('version', 0, 2),
        flag('D1', 9),
        flag('D2', 10),
      ]),
      register('PMCSR', 4, 2, 'Power state (3.2.4).', [
        choice('state', 0, 1, ['D0', 'D1', 'D2', 'D3hot']),
        flag('no soft reset', 3),
        flag('PME enable', 8),
        flag('PME status', 15),
      ]),
    ],
  },
  [CapabilityId.msi]: {
    name: 'MSI',
    registers: [
      register('Message Control', 2, 2, 'Which messages there are (6.8.1.3).', [
        flag('enable', 0),
        number('messages asked for, power of two', 1, 3),
        number('messages given, power of two', 4, 6),
        flag('64-bit address', 7),
        flag('masks', 8),
      ]),
      register('Message Address', 4, 4, 'Where messages are written, bits 31 to 0 (6.8.1.4).'),
      register('Message Upper Address', 8, 4, 'Bits 63 to 32 of that (6.8.1.5).'),
      register('Message Data', 12, 2, 'What is written (6.8.1.6).'),
      register('Mask Bits', 16, 4, 'A one masks a vector (6.8.1.7).'),
      register('Pending Bits', 20, 4, 'A one: a masked vector waits (6.8.1.8).'),
    ],
  },
  [CapabilityId.vendor]: {
    name: 'Vendor Specific',
    registers: [register('Length', 2, 1, 'Bytes of the capability (appendix H).')],
  },
  [CapabilityId.express]: {
    name: 'PCI Express',
    registers: [
      register('PCI Express Capabilities', 2, 2, 'What it is (7.5.3.2).', [
        number('version', 0, 3),
        choice('type', 4, 7, deviceTypes),
      ]),
      register('Device Capabilities', 4, 4, 'What the function can do (7.5.3.3).', [
        choice('largest payload', 0, 2, payloads),
        flag('role-based errors', 15),
        flag('function-level reset', 28),
      ]),
      register('Device Control', 8, 2, 'What software has set (7.5.3.4).', [
        flag('correctable errors', 0),
        flag('non-fatal errors', 1),
        flag('fatal errors', 2),
        flag('unsupported requests', 3),
        flag('relaxed ordering', 4),
        choice('payload', 5, 7, payloads),
        flag('no snoop', 11),
        choice('read request', 12, 14, payloads),
        flag('initiate function-level reset', 15),
      ]),
      register('Device Status', 10, 2, 'What has happened (7.5.3.5).', [flag('transactions pending', 5)]),
      register('Link Capabilities', 12, 4, 'The link (7.5.3.6).', [speed, number('width', 4, 9)]),
      register('Link Control', 16, 2, 'What software has set of it (7.5.3.7).'),
      register('Link Status', 18, 2, 'The link as it is (7.5.3.8).', [speed, number('width', 4, 9)]),
    ],
  },
  [CapabilityId.msix]: {
    name: 'MSI-X',
    registers: [
      register('Message Control', 2, 2, 'Which vectors there are (6.8.2.3).', [
        number('vectors, less one', 0, 10),
        flag('function mask', 14),
        flag('enable', 15),
      ]),
      register('Table Offset', 4, 4, 'Where the table is (6.8.2.4).', location),
      register('PBA Offset', 8, 4, 'Where the pending bits are (6.8.2.5).', location),
    ],
  },
};

const vfBars = Array.from({ length: 6 }, (_, index) =>
  register(`VF BAR${index}`, 0x24 + 4 * index, 4, 'Where the BARs of the VFs begin (9.3.3.14).'),
);

/** Capabilities of the extended space, by identifier. */
export const extendedCapabilityDescriptions: Readonly<Record<number, CapabilityDescription | undefined>> = {
  [ExtendedCapabilityId.ari]: {
    name: 'Alternative Routing-ID Interpretation',
    registers: [
      register('ARI Capability', 4, 2, 'What can be had (7.8.8.2).', [number('next function', 8, 15)]),
      register('ARI Control', 6, 2, 'What software has set (7.8.8.3).'),
    ],
  },
  [ExtendedCapabilityId.ats]: {
    name: 'Address Translation Services',
    registers: [
      register('ATS Capability', 4, 2, 'What can be had (10.5.1.2).', [
        number('invalidations in the queue, 0: 32', 0, 4),
        flag('page-aligned', 5),
      ]),
      register('ATS Control', 6, 2, 'What software has set (10.5.1.3).', [
        number('smallest translation (STU)', 0, 4),
        flag('enable', 15),
      ]),
    ],
  },
  [ExtendedCapabilityId.sriov]: {
    name: 'Single Root I/O Virtualization',
    registers: [
      register('SR-IOV Capabilities', 4, 4, 'What can be had (9.3.3.2).'),
      register('SR-IOV Control', 8, 2, 'What software has set (9.3.3.3).', [
        flag('VF enable', 0),
        flag('VF memory space', 3),
        flag('ARI capable hierarchy', 4),
      ]),
      register('SR-IOV Status', 10, 2, 'What has happened (9.3.3.4).'),
      register('InitialVFs', 12, 2, 'VFs at first (9.3.3.5).'),
      register('TotalVFs', 14, 2, 'VFs that there can be (9.3.3.6).'),
      register('NumVFs', 16, 2, 'VFs that software wants (9.3.3.7).'),
      register('Function Dependency Link', 18, 1, 'Function that it depends on (9.3.3.8).'),
      register('First VF Offset', 20, 2, 'From its requester ID to that of the first VF (9.3.3.9).'),
      register('VF Stride', 22, 2, 'From one VF to the next (9.3.3.10).'),
      register('VF Device ID', 26, 2, 'Device ID of the VFs (9.3.3.11).'),
      register('Supported Page Sizes', 28, 4, 'Bit n: 2^(n + 12) bytes (9.3.3.12).'),
      register('System Page Size', 32, 4, 'What the BARs of the VFs are aligned to (9.3.3.13).'),
      ...vfBars,
    ],
  },
};
