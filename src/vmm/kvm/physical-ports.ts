/** The host's own ports, as a guest sees them whose I/O bitmaps let it through: no unit of its VM answers there. */
import type { AddressMap } from '../../machine/address-map';
import type { RegisterBlock } from '../../machine/bus';
import type { BoardUnit } from '../../machine/platform/environment';

/** Where firmware writes how far it is, for a display on the board; a write takes about 1 us, which old drivers wait by. */
const POST_PORT = 0x80;

/** Takes bytes for the display; like most such boards it answers no read. */
const display: RegisterBlock = {
  read: (_offset, size) => 2 ** (8 * size) - 1,
  write: () => undefined,
  registerName: () => 'POST',
};

/** Puts the units of the host's board into a map, which a VM's guest reaches directly. */
export function mapPhysicalPorts<T>(ports: AddressMap<T>, tagOf: (unit: BoardUnit) => T): void {
  const registers = { '0': 'POST' };
  ports.add(
    POST_PORT,
    1,
    display,
    tagOf({ class: 'chipset', name: 'POST display', registers: () => registers }),
  );
}
