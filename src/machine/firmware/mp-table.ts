/**
 * The tables by which an operating system without ACPI finds processors and interrupt wiring (Intel MultiProcessor
 * Specification 1.4, chapter 4): a floating pointer in the BIOS's segment, and the configuration table it points to.
 */
import { IOAPIC_BASE } from '../interrupts/ioapic';
import { LAPIC_BASE, LAPIC_VERSION } from '../interrupts/lapic-registers';
import { LEVEL_INPUTS } from './acpi';
import { Fields, sign, type FirmwareTable } from './fields';
import { BIOS_SEGMENT } from './memory-map';

/** An interrupt pin of a function on PCI bus 0, and the input of the I/O APIC it is wired to. */
export interface PciPin {
  /** 0..31. */
  device: number;
  /** 1..4: INTA# to INTD#. */
  pin: number;
  /** Input of the I/O APIC. */
  input: number;
}

/** What the configuration table tells of. */
export interface MpFacts {
  /** Their local APICs' identifiers count from 0; 0 boots. */
  cpus: number;
  /** CPUID leaf 1: family, model and stepping (EAX), and features (EDX). */
  signature: number;
  features: number;
  /** What the I/O APIC's version register says. */
  ioapicVersion: number;
  /** Each pin once. */
  pciPins: readonly PciPin[];
}

const FLOATING_BYTES = 16;
const HEADER_BYTES = 44;
const SPEC_REVISION = 4;
/** Entry types (table 4-3). */
const Entry = { processor: 0, bus: 1, ioapic: 2, interrupt: 3, localInterrupt: 4 } as const;
/** Processor flags: usable; the one that boots. */
const Cpu = { enabled: 1, bootstrap: 2 } as const;
/** Interrupt types (table 4-10). */
const Source = { vectored: 0, nmi: 1, external: 3 } as const;
/** Polarity and trigger mode (table 4-10): as the bus has it; active high and level-triggered, as the MADT tells of the same pins. */
const Mode = { conforms: 0, levelHigh: 0x0d } as const;
const Bus = { pci: 0, isa: 1 } as const;
const IOAPIC_ID = 0;
const IOAPIC_ENABLED = 1;
const ALL_APICS = 0xff;
const ISA_LINES = 16;
const TIMER = { line: 0, input: 2 } as const;
const CASCADE = 2;

/** The floating pointer, at the beginning of the BIOS's segment, and behind it the configuration table. */
export function mpTables(facts: MpFacts): FirmwareTable[] {
  const address: number = BIOS_SEGMENT.base;
  const config = address + FLOATING_BYTES;
  const pointer = new Fields().text('_MP_').add(4, config).add(1, 1, SPEC_REVISION, 0).zeros(5).done();
  sign(pointer, 10);
  return [
    { address, bytes: pointer },
    { address: config, bytes: configuration(facts) },
  ];
}

function configuration(facts: MpFacts): Uint8Array {
  const entries = [
    ...processors(facts),
    ...buses(),
    ioapic(facts),
    ...interrupts(facts),
    ...localInterrupts(),
  ];
  const body = entries.flatMap((each) => [...each.done()]);
  const bytes = new Fields()
    .text('PCMP')
    .add(2, HEADER_BYTES + body.length)
    .add(1, SPEC_REVISION, 0)
    .text('TRAPLINE')
    .text('PC'.padEnd(12))
    .zeros(6) // no table of the manufacturer's own
    .add(2, entries.length)
    .add(4, LAPIC_BASE)
    .zeros(4) // no extended entries
    .add(1, ...body)
    .done();
  sign(bytes, 7);
  return bytes;
}

function processors({ cpus, signature, features }: MpFacts): Fields[] {
  return Array.from({ length: cpus }, (_, id) =>
    new Fields()
      .add(1, Entry.processor, id, LAPIC_VERSION & 0xff, Cpu.enabled | (id === 0 ? Cpu.bootstrap : 0))
      .add(4, signature, features)
      .zeros(8),
  );
}

function buses(): Fields[] {
  const bus = (id: number, name: string): Fields => new Fields().add(1, Entry.bus, id).text(name.padEnd(6));
  return [bus(Bus.pci, 'PCI'), bus(Bus.isa, 'ISA')];
}

function ioapic({ ioapicVersion }: MpFacts): Fields {
  return new Fields().add(1, Entry.ioapic, IOAPIC_ID, ioapicVersion, IOAPIC_ENABLED).add(4, IOAPIC_BASE);
}

function interrupts({ pciPins }: MpFacts): Fields[] {
  const assignment = (mode: number, bus: number, source: number, input: number): Fields =>
    new Fields().add(1, Entry.interrupt, Source.vectored).add(2, mode).add(1, bus, source, IOAPIC_ID, input);
  // Input 2 is the timer's: line 2 of the 8259 is the cascade and comes from no device.
  const isa = Array.from({ length: ISA_LINES }, (_, line) => line)
    .filter((line) => line !== CASCADE && !LEVEL_INPUTS.includes(line))
    .map((line) => assignment(Mode.conforms, Bus.isa, line, line === TIMER.line ? TIMER.input : line));
  const pci = pciPins.map(({ device, pin, input }) =>
    assignment(Mode.levelHigh, Bus.pci, (device << 2) | (pin - 1), input),
  );
  return [...pci, ...isa];
}

/** The 8259's output at LINT0 of the processor that boots, NMI at LINT1 of all. */
function localInterrupts(): Fields[] {
  const local = (type: number, apic: number, input: number): Fields =>
    new Fields().add(1, Entry.localInterrupt, type).add(2, Mode.conforms).add(1, Bus.isa, 0, apic, input);
  return [local(Source.external, 0, 0), local(Source.nmi, ALL_APICS, 1)];
}
