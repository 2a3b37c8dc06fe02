/**
 * AVIC of one VM as KVM sets it up (arch/x86/kvm/svm/avic.c of Linux): a backing page for each vCPU and the two tables, in the host's
 * memory. KVM keeps the tables as the guest's local APICs have their IDs, and in each entry on which physical CPU the vCPU runs.
 *
 * Linux turns the AVIC off for the whole VM where local APICs share an ID, or disagree about the model of logical destinations. Here it
 * stays on for all but IPIs: where the physical table cannot have a vCPU, KVM sends all of them; entries of the logical table that would
 * have to be several vCPUs' are not valid, so that the processor leaves, and KVM sends what goes there.
 */
import type { Stateful } from '../../machine/bus';
import type { AvicTables } from '../../machine/interrupts/avic/ipi';
import {
  AVIC_PAGE_BYTES,
  encodeLogical,
  encodePhysical,
  HIGHEST_XAPIC_ID,
  LOGICAL_ENTRIES,
  LOGICAL_ENTRY_BYTES,
  logicalIndices,
  PHYSICAL_ENTRY_BYTES,
  writeDword,
} from '../../machine/interrupts/avic/tables';
import type { ApicIdentity } from '../../machine/interrupts/lapic-core';
import { DataSlot } from '../../machine/memory/data-slot';
import { requireVersion } from '../../machine/snapshot';
import type { Site } from '../host';
import type { GuestApicTarget } from '../host-bus/message-domain';

/** Snapshot of a `VmAvic`; pages and tables are memory. */
export interface VmAvicState {
  version: 1;
  places: { hostApicId: number; running: boolean; index: number }[];
  covers: boolean;
}

/** One vCPU: its physical CPU, the last that it had, and its entry of the physical table. */
interface Place {
  hostApicId: number;
  running: boolean;
  /** -1: it has none. */
  index: number;
}

const PHYSICAL_TABLE = 0;
const LOGICAL_TABLE = AVIC_PAGE_BYTES;
/** As many vCPUs a VM has at most (AVIC_VCPU_ID_MASK). */
const TAGS_OF_VM = 512;
const FIRST_PAGE = 2 * AVIC_PAGE_BYTES;

/** The tables and backing pages of one VM. */
export class VmAvic implements Stateful<VmAvicState> {
  readonly tables: AvicTables;
  private readonly slot: DataSlot;
  private readonly base: number;
  private readonly places: Place[];
  private coversAll = true;

  /** @param vm position and name of the VM */
  constructor(
    private readonly site: Site,
    private readonly vm: { index: number; name: string },
    private readonly cpus: number,
  ) {
    const { name } = vm;
    this.slot = new DataSlot(FIRST_PAGE + cpus * AVIC_PAGE_BYTES);
    this.base = site.memory.append(this.slot);
    this.tables = {
      physical: this.base + PHYSICAL_TABLE,
      logical: this.base + LOGICAL_TABLE,
      maxIndex: HIGHEST_XAPIC_ID,
    };
    this.places = Array.from({ length: cpus }, () => ({ hostApicId: 0, running: false, index: -1 }));
    site.units.keep(`${name}/AVIC pages`, this.slot);
    site.units.keep(`${name}/AVIC`, this);
  }

  /** Host-physical address of a vCPU's backing page. */
  pageOf(cpu: number): number {
    return this.base + FIRST_PAGE + cpu * AVIC_PAGE_BYTES;
  }

  /** The vCPU that a backing page is of; undefined: it is none of the VM's. */
  cpuOf(page: number): number | undefined {
    const cpu = (page - this.pageOf(0)) / AVIC_PAGE_BYTES;
    return Number.isInteger(cpu) && cpu >= 0 && cpu < this.cpus ? cpu : undefined;
  }

  /** The registers in a vCPU's backing page. */
  registersOf(cpu: number): Uint32Array {
    return this.slot.words(FIRST_PAGE + cpu * AVIC_PAGE_BYTES, AVIC_PAGE_BYTES);
  }

  /** The physical table has every vCPU whose local APIC is enabled: IPIs to all of them reach them. */
  get covers(): boolean {
    return this.coversAll;
  }

  /** Writes both tables anew, for local APICs that have these IDs. @param identities by vCPU */
  describe(identities: readonly ApicIdentity[]): void {
    const { places, tables, site } = this;
    const enabled = identities.map((identity, cpu) => ({ ...identity, cpu })).filter((each) => each.enabled);
    const physical = ownersOf(enabled.map(({ cpu, apicId }) => [cpu, [apicId]]));
    for (const place of places) place.index = -1;
    for (let index = 0; index <= tables.maxIndex; index++) {
      const cpu = physical.get(index);
      if (cpu === undefined) this.writePhysical(index, [0, 0]);
      else {
        places[cpu].index = index;
        this.writePlace(cpu);
      }
    }
    this.coversAll = enabled.every(({ cpu }) => places[cpu].index >= 0);
    const agree = enabled.every(({ flat }) => flat === enabled[0]?.flat);
    const logical = ownersOf(
      agree ? enabled.map(({ cpu, ldr, flat }) => [cpu, logicalIndices(ldr, flat)]) : [],
    );
    for (let index = 0; index < LOGICAL_ENTRIES; index++) {
      const cpu = logical.get(index);
      const apicId = cpu === undefined ? undefined : identities[cpu].apicId;
      writeDword(site.memory, tables.logical + index * LOGICAL_ENTRY_BYTES, encodeLogical(apicId));
    }
  }

  /** Has somebody told of what an IOMMU does for the vCPUs: a request in a backing page, and an entry of its log. */
  watch(told: { requested(cpu: number, vector: number): void; logged(cpu: number): void }): void {
    const { amdIommu } = this.site;
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      amdIommu?.onPosted(this.pageOf(cpu), (vector) => told.requested(cpu, vector));
      amdIommu?.guestApics?.onLogged(this.tagOf(cpu), () => told.logged(cpu));
    }
  }

  /** Where an IOMMU delivers interrupts of a vCPU. */
  targetOf(cpu: number, vector: number): GuestApicTarget {
    return { backingPage: this.pageOf(cpu), tag: this.tagOf(cpu), vector };
  }

  /** The vCPU's thread has a physical CPU (avic_vcpu_load). */
  loaded(cpu: number, hostApicId: number): void {
    this.place(cpu, { hostApicId, running: true }, false);
  }

  /**
   * It has none any more (avic_vcpu_put).
   * @param sleeps the thread sleeps, and has to be woken; one that waits for its turn finds everything then
   */
  put(cpu: number, sleeps: boolean): void {
    this.place(cpu, { running: false }, sleeps);
  }

  save(): VmAvicState {
    return { version: 1, places: this.places.map((place) => ({ ...place })), covers: this.coversAll };
  }

  load({ version, places, covers }: VmAvicState): void {
    requireVersion('the AVIC of a VM', version, 1);
    places.forEach((place, cpu) => (this.places[cpu] = { ...place }));
    this.coversAll = covers;
  }

  /** What the IOMMU's log has for a vCPU (AVIC_GATAG): the VM, and the vCPU in its low bits. */
  private tagOf(cpu: number): number {
    return this.vm.index * TAGS_OF_VM + cpu;
  }

  private place(cpu: number, change: Partial<Place>, logged: boolean): void {
    const place = { ...this.places[cpu], ...change };
    const { running, hostApicId } = place;
    this.places[cpu] = place;
    this.writePlace(cpu);
    this.site.amdIommu?.guestApics?.place(this.tagOf(cpu), { running, hostApicId, logged });
  }

  private writePlace(cpu: number): void {
    const { index, ...place } = this.places[cpu];
    if (index >= 0)
      this.writePhysical(index, encodePhysical({ valid: true, backingPage: this.pageOf(cpu), ...place }));
  }

  private writePhysical(index: number, [low, high]: readonly [number, number]): void {
    const address = this.tables.physical + index * PHYSICAL_ENTRY_BYTES;
    writeDword(this.site.memory, address, low);
    writeDword(this.site.memory, address + 4, high);
  }
}

/** By index, who alone has it. */
function ownersOf(
  claims: readonly (readonly [cpu: number, indices: readonly number[]])[],
): Map<number, number> {
  const owners = new Map<number, number>();
  const shared = new Set<number>();
  for (const [cpu, indices] of claims)
    for (const index of indices) {
      if (owners.has(index)) shared.add(index);
      owners.set(index, cpu);
    }
  for (const index of shared) owners.delete(index);
  return owners;
}
