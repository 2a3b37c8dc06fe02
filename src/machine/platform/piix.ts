/**
 * The PCI functions of the chipset's south side at 00:01, as firmware in a ROM finds and programs them (Intel 82371AB (PIIX4) and
 * 82371SB (PIIX3) data sheets): the ISA bridge with the interrupt router, and power management. There is no IDE controller.
 */
import { PciFunction, type PciIdentity } from '../pci/function';
import type { IntxRouter, PirqRoutes } from '../pci/intx-router';
import type { PciRoot } from '../pci/root';

const DEVICE = 1;
const INTEL = 0x8086;
/** As QEMU names its machines. */
const SUBSYSTEM = { subsystemVendorId: 0x1af4, subsystemId: 0x1100 } as const;
const ISA: PciIdentity = {
  vendorId: INTEL,
  deviceId: 0x7000,
  revision: 0,
  classCode: 0x060100,
  ...SUBSYSTEM,
  interruptPin: 0,
};
const POWER: PciIdentity = {
  vendorId: INTEL,
  deviceId: 0x7113,
  revision: 3,
  classCode: 0x068000,
  ...SUBSYSTEM,
  interruptPin: 1,
};

/**
 * ISA bridge: X-bus chip selects, and the routes of PIRQA to PIRQD, none at first (82371SB, 2.3.9, 2.3.13). A route is off by bit 7,
 * and leads nowhere by an IRQ that is reserved: those of the board's own devices are.
 */
const XBCS = { offset: 0x4e, values: [0x03, 0x00], writable: [0xff, 0x01] } as const;
const PIRQ_ROUTES = {
  offset: 0x60,
  values: [0x80, 0x80, 0x80, 0x80],
  writable: [0x8f, 0x8f, 0x8f, 0x8f],
} as const;
const ROUTE = { off: 0x80, irq: 0x0f } as const;
const ROUTABLE: ReadonlySet<number> = new Set([3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15]);

/** Power management: base of the ACPI registers with bit 0 read as 1, and what lets them answer (82371AB, 7.1.11, 7.1.25). */
const PM_BASE = { offset: 0x40, values: [0x01, 0, 0, 0], writable: [0xc0, 0xff, 0, 0] } as const;
const PM_MISC = { offset: 0x80, values: [0], writable: [0x01], enable: 0x01 } as const;
const PM_ADDRESS = 0xffc0;

/** What the functions act on. */
interface PiixPci {
  readonly root: PciRoot;
  readonly router: IntxRouter;
}

/** Puts the functions in. @param placePm the ACPI registers answer from this port on, or nowhere */
export function addPiix({ root, router }: PiixPci, placePm: (base: number, enabled: boolean) => void): void {
  const isa = new PciFunction(ISA, []);
  isa.addRegisters(XBCS.offset, XBCS.values, XBCS.writable);
  const routes = (): PirqRoutes =>
    PIRQ_ROUTES.values.map((_, pirq) => routeOf(isa.peek(PIRQ_ROUTES.offset + pirq)));
  isa.addRegisters(PIRQ_ROUTES.offset, PIRQ_ROUTES.values, PIRQ_ROUTES.writable, (bySoftware) => {
    if (bySoftware) router.reroute(routes());
    else router.restore(routes());
  });
  const power = new PciFunction(POWER, []);
  const follow = (): void =>
    placePm(
      power.read(PM_BASE.offset, 4) & PM_ADDRESS,
      (power.read(PM_MISC.offset, 1) & PM_MISC.enable) !== 0,
    );
  power.addRegisters(PM_BASE.offset, PM_BASE.values, PM_BASE.writable, follow);
  power.addRegisters(PM_MISC.offset, PM_MISC.values, PM_MISC.writable, follow);
  root.add({ bus: 0, device: DEVICE, function: 0 }, isa);
  root.add({ bus: 0, device: DEVICE, function: 3 }, power);
  follow();
  router.restore(routes());
}

function routeOf(register: number): number | undefined {
  const irq = register & ROUTE.irq;
  return (register & ROUTE.off) === 0 && ROUTABLE.has(irq) ? irq : undefined;
}
