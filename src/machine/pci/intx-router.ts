/**
 * The chipset's interrupt router: the INTx pins of the functions on bus 0 come to its inputs PIRQA to PIRQD, rotated by device
 * number, and each input leads to one of the PC's interrupts, or nowhere (Intel 82371SB (PIIX3) data sheet, PIRQRC).
 */

/** By input, PIRQA first: the IRQ (= input of the IOAPIC) that it leads to; undefined: it is open. */
export type PirqRoutes = readonly (number | undefined)[];

/** Nothing leads anywhere, as after power-on. */
export const OPEN_ROUTES: PirqRoutes = [undefined, undefined, undefined, undefined];

const INPUTS = OPEN_ROUTES.length;

/** Input of the router (0: PIRQA) at which an interrupt pin (1..4) of a device on bus 0 ends. */
export function pirqOfPin(device: number, pin: number): number {
  return (pin - 1 + device - 1 + INPUTS) % INPUTS;
}

/** A wire at one of the inputs. */
export interface IntxWire {
  readonly pirq: number;
  /** Level that leaves the function. */
  level(): boolean;
  /** Brings a level to the interrupt that the input leads to at the time, if it leads to one. */
  drive(asserted: boolean): void;
}

/**
 * The router. It has no state of its own that a snapshot would have: whoever keeps the registers brings the routes back. Boards
 * whose firmware is ours never change them.
 */
export class IntxRouter {
  private readonly wires: IntxWire[] = [];

  constructor(private routes: PirqRoutes) {}

  connect(wire: IntxWire): void {
    this.wires.push(wire);
  }

  /** Where an input leads now. */
  irqAt(pirq: number): number | undefined {
    return this.routes[pirq];
  }

  /** Software changes routes: a wire that is asserted leaves its old interrupt, and comes to the new one. */
  reroute(routes: PirqRoutes): void {
    const moved = this.wires.filter(({ pirq, level }) => routes[pirq] !== this.routes[pirq] && level());
    for (const wire of moved) wire.drive(false);
    this.routes = routes;
    for (const wire of moved) wire.drive(true);
  }

  /** The routes are these after a reset, when every wire is low, or by a snapshot, which has the levels elsewhere. */
  restore(routes: PirqRoutes): void {
    this.routes = routes;
  }
}
