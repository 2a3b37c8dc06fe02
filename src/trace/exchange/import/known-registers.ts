/** Registers that every PC has, by their addresses; the names are those of KVM's tracepoints and of the chips' manuals. */

/** Offsets of the local APIC (Intel SDM vol. 3, table 11-1), named as Linux does. */
export const lapicOffsets: Readonly<Record<string, number>> = {
  APIC_ID: 0x20,
  APIC_LVR: 0x30,
  APIC_TASKPRI: 0x80,
  APIC_ARBPRI: 0x90,
  APIC_PROCPRI: 0xa0,
  APIC_EOI: 0xb0,
  APIC_RRR: 0xc0,
  APIC_LDR: 0xd0,
  APIC_DFR: 0xe0,
  APIC_SPIV: 0xf0,
  APIC_ISR: 0x100,
  APIC_TMR: 0x180,
  APIC_IRR: 0x200,
  APIC_ESR: 0x280,
  APIC_ICR: 0x300,
  APIC_ICR2: 0x310,
  APIC_LVTT: 0x320,
  APIC_LVTTHMR: 0x330,
  APIC_LVTPC: 0x340,
  APIC_LVT0: 0x350,
  APIC_LVT1: 0x360,
  APIC_LVTERR: 0x370,
  APIC_TMICT: 0x380,
  APIC_TMCCT: 0x390,
  APIC_TDCR: 0x3e0,
  APIC_SELF_IPI: 0x3f0,
  APIC_EFEAT: 0x400,
  APIC_ECTRL: 0x410,
};

const LAPIC_BASE = 0xfee0_0000;

/** Names of the local APIC's registers by offset. */
export const lapicRegisters: Record<string, string> = Object.fromEntries(
  Object.entries(lapicOffsets).map(([name, offset]) => [String(offset), name]),
);

/** Names of memory-mapped registers by guest-physical address. */
export const knownMmio: Record<string, string> = {
  [String(0xfec0_0000)]: 'IOREGSEL',
  [String(0xfec0_0010)]: 'IOWIN',
  ...Object.fromEntries(
    Object.entries(lapicOffsets).map(([name, offset]) => [String(LAPIC_BASE + offset), name]),
  ),
};

/** Names of I/O ports. */
export const knownPorts: Record<string, string> = {
  [String(0x20)]: 'PIC1 command',
  [String(0x21)]: 'PIC1 data',
  [String(0xa0)]: 'PIC2 command',
  [String(0xa1)]: 'PIC2 data',
  [String(0x40)]: 'PIT counter 0',
  [String(0x43)]: 'PIT mode',
  [String(0x60)]: 'keyboard data',
  [String(0x64)]: 'keyboard status',
  [String(0x70)]: 'CMOS index',
  [String(0x71)]: 'CMOS data',
  [String(0x3f8)]: 'COM1',
  [String(0xcf8)]: 'CONFIG_ADDRESS',
  [String(0xcfc)]: 'CONFIG_DATA',
};
