/** The figures of a run that an expectation may name, and how they are read from a summary. */
import { exitTables } from '../trace/vocabulary/events';
import type { Summary } from '../trace/query/summary';

const COUNTS = [
  'guestInstructions',
  'userExits',
  'interrupts.raised',
  'interrupts.injected',
  'interrupts.posted',
  'interrupts.handled',
  'iommu.translations',
  'iommu.iotlbHits',
  'iommu.iotlbMisses',
  'iommu.walkReferences',
  'iommu.faults',
  'packets.tx',
  'packets.rx',
  'packets.dropped',
  ...exitTables.flatMap(({ rows }) => rows.map(({ name }) => `exits.${name}`)),
];
const OF_THE_RUN = [
  'cycles',
  'simulatedSeconds',
  'events',
  'host.overwritten',
  'host.vfRefusals',
  'traceHash',
];
const OF_A_VM = ['exitCode'];

/** All paths of figures of a scenario with these VMs, the common ones first. */
export function figurePaths(vmNames: readonly string[]): string[] {
  return [
    ...COUNTS,
    ...OF_THE_RUN,
    ...vmNames.flatMap((vm) => [...OF_A_VM, ...COUNTS].map((path) => `vms.${vm}.${path}`)),
  ];
}

/**
 * A figure of a summary by its path: `packets.rx`, `exits.HLT`, `vms.vm0.exits.HLT`. An exit reason that did not occur is 0;
 * undefined for a figure that does not exist (a VM that has not ended has no `exitCode`).
 */
export function readFigure(summary: Summary, path: string): number | string | undefined {
  const vm = /^vms\.([^.]+)\.(.+)$/.exec(path);
  const counts = vm ? summary.vms.find((each) => each.name === vm[1]) : summary;
  const rest = vm ? vm[2] : path;
  const known = COUNTS.includes(rest) || (vm ? OF_A_VM : OF_THE_RUN).includes(rest);
  if (!counts || !known) return undefined;
  const [first, second] = rest.split('.') as [string, string | undefined];
  const value = (counts as unknown as Record<string, unknown>)[first];
  const figure = second === undefined ? value : (value as Record<string, unknown>)[second];
  if (figure === undefined && first === 'exits') return 0;
  return typeof figure === 'number' || typeof figure === 'string' ? figure : undefined;
}
