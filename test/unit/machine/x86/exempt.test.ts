/** The translations used while EFLAGS.AC suspends SMAP (SDM vol. 3, 4.6.1). */
import { expect, it } from 'vitest';
import { StopReason } from '../../../../src/machine/x86/types';
import { bench } from './harness';

it('holds nothing before its first use: page 0 is read from where it is mapped', () => {
  const { cpu, poke } = bench([0x8b, 0x04, 0x25, 0, 0, 0, 0, 0xf4]); // mov eax,[0]; hlt
  poke(0, 0x12345678n);
  const saved = cpu.save();
  const state = saved.hardware;
  state.control[3] |= 1n << 21n; // SMAP
  state.general[17] |= 1n << 18n; // AC
  cpu.load(saved);
  expect(cpu.run(1000)).toBe(StopReason.Halted);
  expect(cpu.getReg(0)).toBe(0x12345678n);
});
