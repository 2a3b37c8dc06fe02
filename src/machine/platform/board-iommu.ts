/**
 * The remapping unit of a board: a VT-d unit that stands between the board's devices and its memory, and between their messages and
 * its local APICs. Whoever runs on the board owns it. On a bare machine it is the chipset's; in a VM it is QEMU's intel-iommu.
 */
import type { RegisterBlock, RequesterId } from '../bus';
import type { Inspectable, StateNode, StatePath } from '../inspect';
import type { DeviceScope, DmarFacts } from '../firmware/dmar';
import { faultNames } from '../iommu/fault-names';
import { interruptFaultNames } from '../iommu/interrupts/interrupt-faults';
import {
  InterruptRemapping,
  type InterruptRemappingCosts,
  type InterruptRemappingHardware,
  type InterruptRemappingObserver,
} from '../iommu/interrupts/interrupt-remapping';
import { REGISTER_BYTES } from '../iommu/layout';
import type { IommuObserver } from '../iommu/observer';
import type { RemappingOptions } from '../iommu/options';
import { iommuDescriptions } from '../iommu/inspect/descriptions';
import { iommuAt } from '../iommu/inspect/iommu-view';
import { RemappingUnit } from '../iommu/remapping-unit';
import type { RemappingHardware, RemappingRun } from '../iommu/state';
import type { PhysicalMemory } from '../memory/physical-memory';
import { fieldsByName } from '../registers';
import {
  requireVersion,
  SnapshotError,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';
import type { EventTarget, Scheduler } from '../time/event-queue';
import type { BitField } from '../../trace/vocabulary/kind-row';

/** Where its registers are: as QEMU and many chipsets have it. */
export const BOARD_IOMMU = { base: 0xfed90000, size: REGISTER_BYTES } as const;

/** As whom IOAPIC and HPET send, where no device stands: the DMAR table tells of it. */
const PLATFORM_BUS = 0xf0;
const IOAPIC_FUNCTION = { device: 31, function: 0 } as const;
const HPET_FUNCTION = { device: 15, function: 0 } as const;
export const BOARD_IOAPIC_REQUESTER: RequesterId =
  (PLATFORM_BUS << 8) | (IOAPIC_FUNCTION.device << 3) | IOAPIC_FUNCTION.function;
/** As whom the unit itself sends: nobody else has the last function of the last bus. */
const OWN_REQUESTER: RequesterId = 0xffff;
const IOAPIC_ID = 0;
const HPET_NUMBER = 0;
const ENTRY_CACHE = 64;

/** What the unit can do. */
export interface BoardIommuPlan {
  readonly unit: RemappingOptions;
  /** Undefined: it remaps no interrupts. */
  readonly interrupts: BoardInterruptPlan | undefined;
}

/** What it can do with interrupts. */
export interface BoardInterruptPlan {
  readonly posting: boolean;
  /** Destinations of 32 bits. */
  readonly x2apic: boolean;
  /** The requester of what the IOAPIC sends is verified like that of a device. QEMU's intel-iommu does not. */
  readonly verifiesIoapic: boolean;
  readonly costs: InterruptRemappingCosts;
}

/** What the trace calls the unit. */
export const IOMMU_NAME = 'IOMMU';

/** What it needs of whoever puts up the board. */
export interface BoardIommuParts {
  /** The board's name, which stands before that of its event target. */
  readonly name: string;
  readonly scheduler: Scheduler & { register(target: EventTarget): void };
  /** The board's own, in which the tables are. */
  readonly memory: PhysicalMemory;
  readonly observer: IommuObserver;
  /** Software has turned translation on or off. */
  readonly switched: () => void;
  /** Undefined: nobody listens. */
  readonly interruptObserver: InterruptRemappingObserver | undefined;
  /** Takes a message of the unit itself to the board's local APICs (`InterruptFabric.unitMessage`). */
  readonly send: (requester: RequesterId, address: number, data: number) => void;
}

/** What the hardware has of a `BoardIommu`. */
export interface BoardIommuHardware extends HardwareState {
  version: 1;
  unit: RemappingHardware;
  interrupts?: InterruptRemappingHardware;
}

/** What the run has of it. */
export interface BoardIommuRun extends RunState {
  unit: RemappingRun;
}

/** The unit. */
export class BoardIommu implements EventTarget, Inspectable, Migratable<BoardIommuHardware, BoardIommuRun> {
  readonly eventTargetId: string;
  /** Translates the DMA of the board's devices. */
  readonly unit: RemappingUnit;
  readonly registers: RegisterBlock;
  private readonly interrupts: InterruptRemapping | undefined;

  constructor(
    private readonly parts: BoardIommuParts,
    private readonly plan: BoardIommuPlan,
  ) {
    const { name, scheduler, memory, observer, send } = parts;
    this.eventTargetId = `${name}/iommu`;
    const tables = {
      read: (address: number, length: number) =>
        memory.contains(address, length) ? memory.read(address, length, IOMMU_NAME) : undefined,
      look: (address: number, length: number) => {
        if (!memory.contains(address, length)) return undefined;
        return memory.look ? memory.look(address, length) : memory.read(address, length);
      },
      write: (address: number, bytes: Uint8Array) => {
        const there = memory.contains(address, bytes.length);
        if (there) memory.write(address, bytes, IOMMU_NAME);
        return there;
      },
    };
    const { interrupts } = plan;
    this.interrupts =
      interrupts &&
      new InterruptRemapping({
        memory: tables,
        posting: interrupts.posting,
        x2apic: interrupts.x2apic,
        hostAddressWidth: plan.unit.hostAddressWidth,
        cacheEntries: ENTRY_CACHE,
        costs: interrupts.costs,
        ...(!interrupts.verifiesIoapic && { unverified: BOARD_IOAPIC_REQUESTER }),
        fault: (fault) => this.unit.interruptFault(fault),
        ...(parts.interruptObserver && { observer: parts.interruptObserver }),
      });
    this.unit = new RemappingUnit(
      {
        clock: {
          now: () => scheduler.now(),
          schedule: (delay, kind, arg) => scheduler.schedule(scheduler.now() + delay, this, kind, arg),
          cancel: (handle) => scheduler.cancel(handle),
        },
        memory: tables,
        send: (address, data) => send(OWN_REQUESTER, address, data),
        observer,
        // No device of a board has a TLB of its own.
        deviceTlbs: () => undefined,
        interrupts: this.interrupts &&
          interrupts && {
            remapper: this.interrupts,
            extendedMode: interrupts.x2apic,
            posting: interrupts.posting,
          },
      },
      plan.unit,
    );
    const { unit } = this;
    this.registers = {
      read: (offset, size) => unit.read(offset, size),
      write: (offset, size, value) => {
        const before = unit.translating;
        unit.write(offset, size, value);
        if (unit.translating !== before) parts.switched();
      },
      registerName: (offset) => unit.registerName(offset),
    };
    scheduler.register(this);
  }

  /** As `FabricOptions` has it; undefined: interrupts go past the unit. */
  get remapping(): { unit: RemappingUnit; ioapicRequester: RequesterId } | undefined {
    return this.interrupts && { unit: this.unit, ioapicRequester: BOARD_IOAPIC_REQUESTER };
  }

  /** What firmware tells of it. */
  get dmar(): DmarFacts {
    const named: DeviceScope[] = [
      { kind: 'ioapic', id: IOAPIC_ID, bus: PLATFORM_BUS, path: [IOAPIC_FUNCTION] },
      { kind: 'hpet', id: HPET_NUMBER, bus: PLATFORM_BUS, path: [HPET_FUNCTION] },
    ];
    return {
      hostAddressWidth: this.plan.unit.hostAddressWidth,
      interruptRemapping: this.interrupts !== undefined,
      x2apicOptOut: false,
      units: [{ base: BOARD_IOMMU.base, scope: 'all', named }],
      reserved: [],
      ats: [],
    };
  }

  /** Why it refuses requests, in words. */
  get reasons(): Readonly<Record<string, string>> {
    return { ...faultNames, ...interruptFaultNames };
  }

  /** Names of its registers by offset. */
  registerNames(): Record<string, string> {
    const names: Record<string, string> = {};
    for (let offset = 0; offset < BOARD_IOMMU.size; offset += 4) {
      const name = this.unit.registerName(offset);
      if (name !== undefined) names[String(offset)] = name;
    }
    return names;
  }

  registerFields(): Record<string, readonly BitField[]> {
    return fieldsByName(iommuDescriptions, Object.values(this.registerNames()));
  }

  inspect(path: StatePath): StateNode | undefined {
    const { interrupts } = this;
    return iommuAt({ unit: this.unit, ...(interrupts && { interrupts }), space: 'physical' }, path);
  }

  onEvent(kind: number): void {
    this.unit.onEvent(kind);
  }

  reset(): void {
    const before = this.unit.translating;
    this.unit.reset();
    if (before) this.parts.switched();
  }

  save(): Checkpoint<BoardIommuHardware, BoardIommuRun> {
    const unit = this.unit.save();
    const interrupts = this.interrupts?.save();
    return {
      hardware: { version: 1, unit: unit.hardware, ...(interrupts && { interrupts: interrupts.hardware }) },
      run: { unit: unit.run },
    };
  }

  load({ hardware, run }: Checkpoint<BoardIommuHardware, BoardIommuRun>): void {
    this.requireAlike(hardware);
    this.unit.load({ hardware: hardware.unit, run: run.unit });
    if (hardware.interrupts) this.interrupts?.load({ hardware: hardware.interrupts, run: {} });
  }

  adopt(hardware: BoardIommuHardware): void {
    this.requireAlike(hardware);
    this.unit.adopt(hardware.unit);
    if (hardware.interrupts) this.interrupts?.adopt(hardware.interrupts);
  }

  private requireAlike({ version, interrupts }: BoardIommuHardware): void {
    requireVersion("a board's IOMMU", version, 1);
    if ((interrupts !== undefined) !== (this.interrupts !== undefined))
      throw new SnapshotError("of the snapshot and this machine only one's IOMMU remaps interrupts");
  }
}
