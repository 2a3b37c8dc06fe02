/** Messages of an assigned device that reach its vCPU without the host's kernel. */
import { describe, expect, it } from 'vitest';
import type { InterruptMessage } from '../../../../src/machine/interrupts/message';
import type { PostingTarget } from '../../../../src/vmm/host-bus/message-domain';
import { ExitlessBypass, PostingBypass, type BypassedInterrupts } from '../../../../src/vmm/vfio/irq-bypass';

/** To the processor with APIC ID 0. */
const ADDRESS = 0xfee00000;
const ENTRY = 3;
const SMI = 2 << 8;

/** The host's side, which writes down what it is asked for. */
class Interrupts implements BypassedInterrupts {
  readonly posted: [vector: number, target: PostingTarget | undefined][] = [];

  /** @param free whether the host has the very vector that is wanted */
  constructor(private readonly free = true) {}

  useVector(vector: number, wanted?: number): number {
    return this.free && wanted !== undefined ? wanted : 0x21 + vector;
  }

  postTo(vector: number, target: PostingTarget | undefined): boolean {
    this.posted.push([vector, target]);
    return true;
  }
}

describe('exitless interrupts', () => {
  it.each([true, false])('make a vector the guest’s that the physical CPU has for it: %s', (free) => {
    const assigned: [number, boolean][] = [];
    const bypass = new ExitlessBypass((...told) => assigned.push(told));
    bypass.connect(new Interrupts(free), ENTRY, { address: ADDRESS, data: 0x55 });
    expect(assigned).toEqual(free ? [[0x55, true]] : []);
  });

  it('take it back with the message', () => {
    const assigned: [number, boolean][] = [];
    const bypass = new ExitlessBypass((...told) => assigned.push(told));
    bypass.disconnect(new Interrupts(), ENTRY, { address: ADDRESS, data: 0x55 });
    expect(assigned).toEqual([[0x55, false]]);
  });
});

describe('posting', () => {
  /** The vCPU with APIC ID 0 has a descriptor. */
  const DESCRIPTOR = 0x1000;
  const targetOf = ({ destination, mode, vector }: InterruptMessage): PostingTarget | undefined =>
    destination === 0 && mode === 0 ? { descriptor: DESCRIPTOR, vector, urgent: false } : undefined;
  const bypass = new PostingBypass(targetOf);

  it('leads a vector to the descriptor of the vCPU that its message means', () => {
    const interrupts = new Interrupts();
    bypass.connect(interrupts, ENTRY, { address: ADDRESS, data: 0x55 });
    expect(interrupts.posted).toEqual([[ENTRY, { descriptor: DESCRIPTOR, vector: 0x55, urgent: false }]]);
    bypass.disconnect(interrupts, ENTRY);
    expect(interrupts.posted[1]).toEqual([ENTRY, undefined]);
  });

  it.each([
    ['several vCPUs, or none that is there', { address: ADDRESS + 0x1000, data: 0x55 }],
    ['what is no vector', { address: ADDRESS, data: SMI }],
    ['what is no message of interrupts', { address: 0x1000, data: 0x55 }],
  ])('leaves it to the kernel: %s', (_, message) => {
    const interrupts = new Interrupts();
    bypass.connect(interrupts, ENTRY, message);
    expect(interrupts.posted).toEqual([]);
  });
});
