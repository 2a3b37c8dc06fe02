/** A host with an IOMMU and its driver, and no devices, for tests. */
import { SERVER_UNIT } from '../../../../src/machine/iommu/options';
import { DataSlot } from '../../../../src/machine/memory/data-slot';
import { emptyMeta, TraceStore, type TraceEvent } from '../../../../src/trace/query/store';
import { Recorder } from '../../../../src/trace/record/recorder';
import { bookkeeping } from '../../../../src/trace/vocabulary/events';
import { Host, type Site } from '../../../../src/vmm/host';
import type { HostIommu } from '../../../../src/vmm/iommu/host-iommu';
import { IntelIommu } from '../../../../src/vmm/iommu/intel-iommu';
import { costs } from '../threads/world';

export const MIB = 2 ** 20;
export const PAGE = 4096;
const TABLES = 256;

/** Two physical CPUs, a VM's memory of 4 MiB. */
export interface IommuWorld {
  recorder: Recorder;
  host: Host;
  site: Site;
  iommu: HostIommu;
  driver: IntelIommu;
  /** Where the VM's memory stands. */
  base: number;
}

/** @param remapsInterrupts whether the unit remaps interrupts */
export function iommuWorld(remapsInterrupts = true): IommuWorld {
  const recorder = new Recorder();
  const host = new Host(recorder, costs, 1e9);
  host.addOwnData();
  const base = host.memory.append(new DataSlot(4 * MIB), 2 * MIB);
  const tables = host.memory.append(new DataSlot(TABLES * PAGE));
  const site = host.addIsland([0, 1], { unit: SERVER_UNIT, remapsInterrupts });
  const { iommu } = site;
  if (!iommu) throw new Error('the host was given an IOMMU');
  const plan = { levels: 4, largest: 2, unmap: 'strict', onDemand: undefined } as const;
  const driver = new IntelIommu(site, iommu, plan, { base: tables, pages: TABLES });
  return { recorder, host, site, iommu, driver, base };
}

/** All rows that a recorder has but those of its own bookkeeping, in order; it is finished at a time. */
export function rowsOf(recorder: Recorder, time: number): TraceEvent[] {
  recorder.finish(time);
  const store = new TraceStore(emptyMeta('t', 1));
  store.append(recorder.takeDelta());
  const rows = Array.from({ length: store.rows }, (_, row) => store.get(row));
  return rows.filter(({ kind }) => !bookkeeping.has(kind));
}
