/** A VM's guest-physical addresses and ports for a reader: its RAM, and where each region of registers leads. */
import type { AddressMap } from '../../machine/address-map';
import type { StateNode, StatePath } from '../../machine/inspect';
import { branches, wholeBranch } from '../../machine/registers';
import { addressNode, flagNode, hex, numberNode, textNode } from '../../machine/state-nodes';
import type { EptPages } from './ept-pages';
import type { KvmRegion } from './region';

/** What is shown. */
export interface MemoryMap {
  readonly ram: { readonly size: number; readonly hostBase: number };
  readonly mmio: AddressMap<KvmRegion>;
  readonly ports: AddressMap<KvmRegion>;
  /** Pages without RAM at which an EPT misconfiguration stands. */
  readonly ept: EptPages;
}

const leads: Readonly<Record<KvmRegion['placement'], string>> = {
  kernel: 'KVM in the kernel',
  user: 'QEMU',
  coalesced: 'the ring of coalesced writes',
  ioeventfd: 'an eventfd',
  mapped: 'the register itself',
};

function regionNodes(map: AddressMap<KvmRegion>): StateNode[] {
  const regions = [...map.regions()].sort((x, y) => x.base - y.base);
  return regions.map(({ base, size, enabled, tag }, index): StateNode => {
    const way = tag.mapped ? `${leads[tag.placement]}, with pages that the EPT map` : leads[tag.placement];
    return {
      ...textNode(String(index), enabled ? `${hex(base)}: ${tag.unit}` : `${tag.unit}, not decoded`),
      children: [
        textNode('unit', tag.unit),
        addressNode('base', base),
        numberNode('size', size, 'bytes'),
        flagNode('decoded', enabled),
        textNode('leads to', way),
      ],
    };
  });
}

/** What is at a path below the map. */
export function memoryMapAt({ ram, mmio, ports, ept }: MemoryMap, path: StatePath): StateNode | undefined {
  const all = [
    wholeBranch('RAM', () => ({
      name: 'RAM',
      children: [addressNode('host address', ram.hostBase), numberNode('size', ram.size, 'bytes')],
    })),
    wholeBranch('Memory', () => ({ name: 'Memory', children: regionNodes(mmio) })),
    wholeBranch('I/O ports', () => ({ name: 'I/O ports', children: regionNodes(ports) })),
    wholeBranch('Pages of devices', () => ({
      name: 'Pages of devices',
      description:
        'Pages without RAM that have been touched: KVM has put an entry there that is misconfigured.',
      children: ept.save().pages.map((page, index) => addressNode(String(index), page * 4096)),
    })),
  ];
  return branches('ept', all, path, 'Where guest-physical addresses and ports lead.');
}
