/** The table by which firmware tells of remapping units (VT-d specification 4.1, chapter 8): DMAR. */
import { Fields, table } from './fields';

/** What a unit or a region is for (8.3.1). */
export type DeviceScope =
  /** A function, by bus and the way from there: device and function of each bridge, and of itself. */
  | { kind: 'endpoint'; bus: number; path: readonly PathStep[] }
  /** Everything behind a bridge. */
  | { kind: 'bridge'; bus: number; path: readonly PathStep[] }
  /** An I/O APIC by its id, with the requester that its messages have. */
  | { kind: 'ioapic'; id: number; bus: number; path: readonly PathStep[] }
  /** A timer block of the HPET by its number, likewise. */
  | { kind: 'hpet'; id: number; bus: number; path: readonly PathStep[] };

/** One step on the way to a function. */
export interface PathStep {
  device: number;
  function: number;
}

/** A remapping unit (DRHD, 8.3). */
export interface DmarUnit {
  /** Address of its registers; a multiple of 4096. */
  base: number;
  /** 'all': every function of the segment that no other unit is for; such a unit stands last. */
  scope: 'all' | readonly DeviceScope[];
  /** What else it tells of beside 'all': I/O APICs and HPETs are always named (8.3.1). */
  named?: readonly DeviceScope[];
}

/** Memory that functions access before any driver is there, and that stays mapped for them (RMRR, 8.4). */
export interface ReservedRegion {
  base: number;
  /** Address of the last byte; the region is whole pages. */
  limit: number;
  scope: readonly DeviceScope[];
}

/** Root ports below which devices may have TLBs of their own (ATSR, 8.5). */
export interface AtsPorts {
  scope: 'all' | readonly DeviceScope[];
}

/** What the table tells. */
export interface DmarFacts {
  /** Bits of a host-physical address. */
  hostAddressWidth: number;
  /** INTR_REMAP. */
  interruptRemapping: boolean;
  /** X2APIC_OPT_OUT: software is asked to leave the local APICs in xAPIC mode. */
  x2apicOptOut: boolean;
  units: readonly DmarUnit[];
  reserved: readonly ReservedRegion[];
  ats: readonly AtsPorts[];
}

const Structure = { unit: 0, reserved: 1, ats: 2 } as const;
const ScopeType = { endpoint: 1, bridge: 2, ioapic: 3, hpet: 4 } as const;
const Flag = { interruptRemapping: 1, x2apicOptOut: 2 } as const;
const ALL = 1;
const REVISION = 1;
const PCI_SEGMENT = 0;
const RESERVED_BYTES = 10;
/** Of a structure, type and length themselves. */
const PREFIX_BYTES = 4;

/** The whole table with its header. */
export function dmarTable(facts: DmarFacts): Uint8Array {
  const flags =
    (facts.interruptRemapping ? Flag.interruptRemapping : 0) + (facts.x2apicOptOut ? Flag.x2apicOptOut : 0);
  const body = new Fields().add(1, facts.hostAddressWidth - 1, flags).zeros(RESERVED_BYTES);
  const units = [...facts.units].sort((a, b) => Number(a.scope === 'all') - Number(b.scope === 'all'));
  for (const { base, scope, named = [] } of units) {
    const scopes = scope === 'all' ? named : [...scope, ...named];
    const fixed = new Fields()
      .add(1, scope === 'all' ? ALL : 0, 0)
      .add(2, PCI_SEGMENT)
      .add(8, base);
    structure(body, Structure.unit, fixed, scopes);
  }
  for (const { base, limit, scope } of facts.reserved)
    structure(body, Structure.reserved, new Fields().add(2, 0, PCI_SEGMENT).add(8, base, limit), scope);
  for (const { scope } of facts.ats) {
    const fixed = new Fields().add(1, scope === 'all' ? ALL : 0, 0).add(2, PCI_SEGMENT);
    structure(body, Structure.ats, fixed, scope === 'all' ? [] : scope);
  }
  return table('DMAR', REVISION, body.done());
}

function structure(body: Fields, type: number, fixed: Fields, scopes: readonly DeviceScope[]): void {
  const rest = [...fixed.done(), ...scopes.flatMap((scope) => [...scopeBytes(scope)])];
  body.add(2, type, PREFIX_BYTES + rest.length).add(1, ...rest);
}

function scopeBytes(scope: DeviceScope): Uint8Array {
  const path = scope.path.flatMap((step) => [step.device, step.function]);
  return new Fields()
    .add(1, ScopeType[scope.kind], 6 + path.length, 0, 0, 'id' in scope ? scope.id : 0, scope.bus)
    .add(1, ...path)
    .done();
}
