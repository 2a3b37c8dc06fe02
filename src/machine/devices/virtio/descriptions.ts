/** What the registers of virtio devices mean, on PCI, of the legacy interface, and on MMIO (VIRTIO 1.2, 4.1.4, 4.1.4.10, 4.2.2). */
import { flag, flagsOf, number } from '../../../trace/vocabulary/bit-fields';
import type { RegisterDescription, RegisterDescriptions, RegisterPlace } from '../../registers';
import { Mmio, MmioLegacy, MmioModern } from './mmio-layout';
import { Common, Legacy } from './pci/layout';
import { Status } from './status';

const described = (
  group: string,
  meaning: string,
  fields?: RegisterDescription['fields'],
): RegisterDescription => ({ group, meaning, ...(fields && { fields }) });
const device = described.bind(undefined, 'Device');
const features = described.bind(undefined, 'Features');
const queue = described.bind(undefined, 'Selected virtqueue');
const interrupts = described.bind(undefined, 'Interrupts');

const status = device('Device status: steps of the initialization, 0 resets (2.1).', flagsOf(Status));
const interruptFields = [flag('used buffers', 0), flag('configuration change', 1)];
const vector = [number('vector', 0, 15)];

/** A word of an address: the name of a lower half depends on the transport. */
function halves(name: string, what: string): RegisterDescriptions {
  return {
    [name]: queue(`Address of the ${what}, bits 31 to 0.`),
    [`${name}_LOW`]: queue(`Address of the ${what}, bits 31 to 0 (4.2.2).`),
    [`${name}_HIGH`]: queue(`Address of the ${what}, bits 63 to 32.`),
  };
}

function region(name: string, what: string): RegisterDescriptions {
  return {
    [`${name}_LOW`]: device(`${what} of the selected region of shared memory, bits 31 to 0 (4.2.2).`),
    [`${name}_HIGH`]: device(`${what} of the selected region of shared memory, bits 63 to 32 (4.2.2).`),
  };
}

/** By register name; a register that several transports have is the same in all. */
export const virtioDescriptions: RegisterDescriptions = {
  MAGIC_VALUE: device('The letters “virt” (4.2.2).'),
  VERSION: device('1: the legacy interface, 2: that of the specification (4.2.2).'),
  DEVICE_ID: device('Type of the device: 1 network, 2 block, 3 console, 4 entropy (5).'),
  VENDOR_ID: device('Vendor of the device (4.2.2).'),
  DEVICE_STATUS: status,
  STATUS: status,
  NUM_QUEUES: device('Most virtqueues that the device has (4.1.4.3).'),
  CONFIG_GENERATION: device(
    'Changes with the configuration: read before and behind, to have read it at one moment (2.5.1).',
  ),
  GUEST_PAGE_SIZE: device('Bytes of the pages that QUEUE_PFN counts (4.2.4).'),
  SHM_SEL: device('Which region of shared memory the registers behind are about (4.2.2).'),
  ...region('SHM_LEN', 'Length'),
  ...region('SHM_BASE', 'Address'),

  DEVICE_FEATURE_SELECT: features('Which 32 bits of the offered features DEVICE_FEATURE shows (4.1.4.3).'),
  DEVICE_FEATURE: features('32 bits of the features that the device offers (2.2).'),
  DRIVER_FEATURE_SELECT: features('Which 32 bits of the accepted features DRIVER_FEATURE is (4.1.4.3).'),
  DRIVER_FEATURE: features('32 bits of the features that the driver accepts (2.2).'),
  DEVICE_FEATURES: features('32 bits of the features that the device offers (2.2).'),
  DEVICE_FEATURES_SEL: features('Which 32 bits of the offered features DEVICE_FEATURES shows (4.2.2).'),
  DRIVER_FEATURES: features('32 bits of the features that the driver accepts (2.2).'),
  DRIVER_FEATURES_SEL: features('Which 32 bits of the accepted features DRIVER_FEATURES is (4.2.2).'),
  GUEST_FEATURES: features('The features that the driver accepts (4.1.4.10).'),

  QUEUE_SELECT: queue('Which virtqueue the registers of a queue are about (4.1.4.3).'),
  QUEUE_SEL: queue('Which virtqueue the registers of a queue are about (4.2.2).'),
  QUEUE_SIZE: queue(
    'Entries of the queue: at first the most that it can have, 0 where there is none (4.1.4.3).',
  ),
  QUEUE_SIZE_MAX: queue('Most entries that the queue can have; 0: there is none (4.2.2).'),
  QUEUE_ENABLE: queue('1: the queue is in use (4.1.4.3).', [flag('enabled', 0)]),
  QUEUE_READY: queue('1: the queue is in use (4.2.2).', [flag('ready', 0)]),
  QUEUE_RESET: queue('1: resets the queue; reads 1 until that is done (2.6.1).', [flag('reset', 0)]),
  QUEUE_NOTIFY: queue('Tells the device that buffers are available (4.1.5.2).', [number('queue', 0, 15)]),
  QUEUE_NOTIFY_OFF: queue('By which its notification address is told (4.1.4.4).'),
  QUEUE_NOTIF_CONFIG_DATA: queue('What a notification is to carry with NOTIF_CONFIG_DATA (4.1.4.3).'),
  ...halves('QUEUE_DESC', 'descriptor area'),
  ...halves('QUEUE_DRIVER', 'driver area'),
  ...halves('QUEUE_DEVICE', 'device area'),
  QUEUE_PFN: queue('Page at which the queue begins; 0: it is not in use (4.1.4.10).'),
  QUEUE_ALIGN: queue('Boundary in bytes at which the used ring begins (4.2.4).'),
  ADMIN_QUEUE_INDEX: device('First administration virtqueue (4.1.4.3).'),
  ADMIN_QUEUE_NUM: device('Administration virtqueues (4.1.4.3).'),

  CONFIG_MSIX_VECTOR: interrupts(
    'MSI-X vector of changes of the configuration; FFFFH: none (4.1.5.1.2).',
    vector,
  ),
  QUEUE_MSIX_VECTOR: interrupts('MSI-X vector of the selected queue; FFFFH: none (4.1.5.1.2).', vector),
  ISR_STATUS: interrupts('Why the device interrupts; reading acknowledges it (4.1.4.5).', interruptFields),
  INTERRUPT_STATUS: interrupts('Why the device interrupts (4.2.2).', interruptFields),
  INTERRUPT_ACK: interrupts('Acknowledges these reasons (4.2.2).', interruptFields),
};

/** Fields of 64 bits, which are two registers: on PCI the lower one has the name of both. */
const WIDE = new Set(['QUEUE_DESC', 'QUEUE_DRIVER', 'QUEUE_DEVICE', 'SHM_LEN', 'SHM_BASE']);

function placesOf(layout: Readonly<Record<string, number>>, low: '' | '_LOW'): RegisterPlace[] {
  return Object.entries(layout).flatMap(([name, at]): RegisterPlace[] =>
    WIDE.has(name)
      ? [
          [`${name}${low}`, at],
          [`${name}_HIGH`, at + 4],
        ]
      : [[name, at]],
  );
}

/** The registers of each interface, with their descriptions, for the documentation. */
export const virtioInterfaces = [
  {
    title: 'common configuration on PCI (4.1.4.3)',
    where: 'its structure in BAR 4',
    registers: placesOf(Common, ''),
  },
  { title: 'legacy interface on PCI (4.1.4.10)', where: 'BAR 0', registers: placesOf(Legacy, '') },
  {
    title: 'registers on MMIO (4.2.2, 4.2.4)',
    where: 'its block of registers',
    registers: placesOf({ ...Mmio, ...MmioModern, ...MmioLegacy }, '_LOW'),
  },
].map((each) => ({
  ...each,
  descriptions: Object.fromEntries(each.registers.map(([name]) => [name, virtioDescriptions[name]])),
}));
