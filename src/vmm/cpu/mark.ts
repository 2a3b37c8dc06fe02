/**
 * The guest kit's marks: VMCALL with 'TRAP' in RAX, the mark's id in RBX and its value in RCX. They are the simulator's own, a
 * note for the timeline, and work on every machine, with a VMM or without.
 */
import { Reg, type Cpu } from '../../machine/x86/types';
import type { Cycles } from '../../machine/time/event-queue';
import { Kind } from '../../trace/vocabulary/events';
import type { Tracer } from '../../trace/record/tracer';

/** 'TRAP'. */
export const MARK_HYPERCALL = 0x5452_4150n;
const WORD = 0xffff_ffffn;

/** Notes the mark in a CPU's registers on a track, and answers the guest with 0. */
export function noteMark(cpu: Cpu, tracer: Tracer, track: number, time: Cycles): void {
  const id = Number(cpu.getReg(Reg.RBX) & WORD);
  const value = Number(cpu.getReg(Reg.RCX) & WORD);
  tracer.instant(time, track, Kind.Mark, id, value);
}
