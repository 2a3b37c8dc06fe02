/** Commands of the control queue of a network device: class, command, and its data, in hexadecimal. */
import type { Random } from '../../random';
import { little } from './driver';

const CLASS = { rx: 0, mac: 1, vlan: 2, announce: 3, pairs: 4 } as const;
const ADDRESSES = [
  '525400123456',
  '525400abcdef',
  '02deadbeef01',
  '01005e000001',
  '333300000001',
  '01005e0000fb',
] as const;
/** More than a table takes on either side. */
const TOO_MANY = 65;

const byte = (value: number): string => value.toString(16).padStart(2, '0');
const head = (commandClass: number, which: number): string => byte(commandClass) + byte(which);

export const Commands = {
  mode: (which: number, on: number): string => head(CLASS.rx, which) + byte(on),
  address: (address: string): string => head(CLASS.mac, 1) + address,
  tables: (unicast: readonly string[], multicast: readonly string[]): string =>
    head(CLASS.mac, 0) +
    [unicast, multicast].map((table) => little(table.length, 4) + table.join('')).join(''),
  vlan: (which: number, id: number): string => head(CLASS.vlan, which) + little(id, 2),
} as const;

/** What a command may do. */
export interface Allowed {
  own: string;
  /** It may change what is received. */
  filters: boolean;
  /** The device has a table of VLANs. */
  vlans: boolean;
}

/** Any command. */
export function command(random: Random, allowed: Allowed): string {
  return random.oneIn(5) ? wrong(random) : right(random, allowed);
}

function right(random: Random, { own, filters, vlans }: Allowed): string {
  const group = (address: string): boolean => (parseInt(address.slice(0, 2), 16) & 1) !== 0;
  const table = (groups: boolean): string[] => {
    if (random.oneIn(12)) return Array.from({ length: TOO_MANY }, () => random.hex(6));
    const all = ADDRESSES.filter((address) => group(address) === groups);
    return Array.from({ length: random.below(4) }, () => random.pick(all));
  };
  switch (random.below(vlans ? 5 : 4)) {
    case 0:
      return Commands.address(random.oneIn(2) ? own : random.pick(ADDRESSES.slice(0, 3)));
    case 1:
      return Commands.tables(table(false), table(true));
    case 4:
      return Commands.vlan(filters ? random.below(2) : 0, random.pick([1, 2, 100, 4095, 4096]));
    default:
      // In promiscuous mode the others change nothing; with a table of VLANs nothing turns it on or off.
      return Commands.mode(filters && !vlans ? random.below(6) : random.between(1, 5), random.below(2));
  }
}

/** Commands that are refused: unknown ones, and such with too little data. */
function wrong(random: Random): string {
  switch (random.below(6)) {
    case 0:
      return head(random.between(5, 255), random.below(4)) + random.hex(random.below(4));
    case 1:
      return head(CLASS.rx, random.between(6, 255)) + byte(1);
    case 2:
      return head(CLASS.rx, random.below(6));
    case 3:
      return head(CLASS.mac, random.between(2, 255)) + random.hex(6);
    case 4:
      return head(CLASS.mac, random.below(2)) + random.pick(['', '01000000', '0100000002', '525400']);
    default:
      return random.oneIn(2)
        ? head(CLASS.vlan, random.between(2, 9)) + little(1, 2)
        : head(CLASS.pairs, 0) + little(1, 2);
  }
}
