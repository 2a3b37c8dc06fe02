/**
 * Names that belong to Trapline's plan and that this version does not run. Whoever writes one is told so, instead of that
 * the name is unknown. A name leaves this table when the schema accepts it.
 */

/** One field whose listed names, or which altogether, this version does not run. `[]` stands for any index. */
interface Planned {
  /** Path of the field. */
  field: string;
  /** Values that are known but not run; absent: the field itself. */
  names?: readonly string[];
  /** What this version has instead. */
  instead: string;
}

const planned: readonly Planned[] = [
  { field: 'vmm', names: ['xen', 'disco'], instead: 'runs "kvm" and "none" only' },
  {
    field: 'vms[].devices[].model',
    names: ['igb', 'block'],
    instead: 'has "e1000", "edu", "nvme" and the network, block, console and entropy devices of virtio',
  },
  {
    field: 'vms[].devices[].backend',
    names: ['vhost', 'kvm', 'vfio'],
    instead: 'has "qemu", and "vhost" for a virtio-net',
  },
  {
    field: 'vms[].devices[].queues',
    instead: 'has several queues of "nvme", "virtio-net" and "virtio-blk" only',
  },
  { field: 'sweep', instead: 'makes one run of a scenario only' },
];

/** `vms[0].apic` → `vms[].apic`. */
function pattern(field: string): string {
  return field.replace(/\[\d+\]/g, '[]');
}

/** Why a known value of a field is refused; undefined when it is not a known one. */
export function plannedValue(field: string, value: unknown): string | undefined {
  const row = planned.find(
    (each) => each.field === pattern(field) && each.names?.some((name) => name === value),
  );
  return row && `this version of Trapline ${row.instead}`;
}

/** Why a known field is refused; undefined when it is not a known one. */
export function plannedField(field: string): string | undefined {
  const row = planned.find((each) => each.field === pattern(field) && !each.names);
  return row && `this version of Trapline ${row.instead}`;
}
