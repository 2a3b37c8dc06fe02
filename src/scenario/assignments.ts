/** Which devices of the host go to which VM. */
import { ASSIGNABLE } from './patterns';
import type { Scenario, ScenarioAssignment, ScenarioVmDevice } from './schema';

/** A device of the host, or one of its virtual functions. */
export interface Assignable {
  /** Its `id`. */
  readonly device: string;
  /** Number of the virtual function; undefined: the device itself. */
  readonly function: number | undefined;
}

/** Where a VM is given something. */
export interface Assignment extends Assignable {
  readonly vm: number;
  /** Position among the devices of the VM. */
  readonly slot: number;
  /** As written. */
  readonly text: string;
}

/** Whether a device of a VM is one of the host's. */
export function isAssigned(device: ScenarioVmDevice): device is ScenarioAssignment {
  return 'assign' in device;
}

/** What an `assign` names: `nic0`, `nic0.vf1`. The schema lets nothing else through. */
export function assignableOf(text: string): Assignable {
  const [, device = text, number] = ASSIGNABLE.exec(text) ?? [];
  return { device, function: number === undefined ? undefined : Number(number) };
}

/** All of a scenario, in its order. */
export function assignmentsOf({ vms }: Pick<Scenario, 'vms'>): Assignment[] {
  return vms.flatMap(({ devices }, vm) =>
    devices.flatMap((device, slot) =>
      isAssigned(device) ? [{ ...assignableOf(device.assign), vm, slot, text: device.assign }] : [],
    ),
  );
}
