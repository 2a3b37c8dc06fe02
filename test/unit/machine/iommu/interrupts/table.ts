/** A remapping unit with its table and descriptors in a piece of host memory. */
import { field } from '../../../../support/vtd/interrupt-oracle';
import { DataSlot } from '../../../../../src/machine/memory/data-slot';
import { HostMemory } from '../../../../../src/machine/memory/host-memory';
import type { InterruptFault } from '../../../../../src/machine/iommu/interrupts/interrupt-faults';
import {
  InterruptRemapping,
  type InterruptRemappingOptions,
} from '../../../../../src/machine/iommu/interrupts/interrupt-remapping';
import {
  encodeIrte,
  irteBytes,
  type Irte,
  type PostedIrte,
  type RemappedIrte,
} from '../../../../../src/machine/iommu/interrupts/irte';

export const TABLE = 0x4000;
export const DESCRIPTOR = 0x8000;
/** One page of table and one of descriptors; between them there is no memory. */
const PAGE = 0x1000;

export const COSTS = { cacheHit: 3, tableRead: 100, descriptorUpdate: 40 };

/** IRTA_REG of a table at `TABLE`. @param size S: the table has 2^(S+1) entries */
export function irta(size: number, x2apic: boolean): bigint {
  return BigInt(TABLE) | (x2apic ? 1n << 11n : 0n) | BigInt(size);
}

export function setUp(changes: Partial<InterruptRemappingOptions> = {}) {
  const memory = new HostMemory();
  memory.map(TABLE, new DataSlot(PAGE));
  memory.map(DESCRIPTOR, new DataSlot(PAGE));
  const faults: InterruptFault[] = [];
  const log: string[] = [];
  const unit = new InterruptRemapping({
    memory,
    posting: true,
    x2apic: true,
    hostAddressWidth: 46,
    cacheEntries: 4,
    costs: COSTS,
    fault: (fault) => void faults.push(fault),
    observer: {
      entryRead: (index, address, raw) => void log.push(`read ${index} ${address} ${raw.join(' ')}`),
      entryHit: (index) => void log.push(`hit ${index}`),
      remapped: (index, { vector }) => void log.push(`remapped ${index} ${vector}`),
      posted: (index, vector, descriptor, sent) =>
        void log.push(
          `posted ${index} ${vector} ${descriptor} ${typeof sent === 'string' ? sent : sent.vector}`,
        ),
      blocked: ({ reason, index }, recorded) => void log.push(`blocked ${reason} ${index} ${recorded}`),
    },
    ...changes,
  });
  unit.enabled = true;
  unit.setTable(irta(7, true));
  return {
    memory,
    unit,
    faults,
    log,
    /** Writes an entry for a unit with 32 bits of destination. */
    entry: (index: number, irte: Irte): void =>
      void memory.write(TABLE + 16 * index, irteBytes(encodeIrte(irte, true))),
  };
}

const ANYBODY = { verification: 0, qualifier: 0, id: 0 } as const;
/** An entry that makes a message for CPU 3, for whoever sends. */
export const remapped: RemappedIrte = {
  format: 'remapped',
  faultsDisabled: false,
  vector: 0x51,
  source: ANYBODY,
  mode: 0,
  level: false,
  redirected: false,
  logical: false,
  destination: 3,
};
/** One that posts to the descriptor. */
export const posted: PostedIrte = {
  format: 'posted',
  faultsDisabled: false,
  vector: 0x61,
  source: ANYBODY,
  urgent: false,
  descriptor: DESCRIPTOR,
};

/** An integer of memory, least significant byte first. */
export function integer(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** Its bytes. */
export function bytesOf(value: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => Number(field(value, 8 * at + 7, 8 * at)));
}
