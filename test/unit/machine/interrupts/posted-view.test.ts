/** Posted-interrupt descriptors as they are shown: what was posted, and to whom. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { postInterrupt, updatePostedControl } from '../../../../src/machine/interrupts/posted-descriptor';
import { postedDescriptorsAt } from '../../../../src/machine/interrupts/posted-view';
import { DataSlot } from '../../../../src/machine/memory/data-slot';
import { HostMemory } from '../../../../src/machine/memory/host-memory';

const BASE = 0x1000;

it('have the vectors and the fields that were put there', () => {
  const vectors = fc.uniqueArray(fc.nat(255), { minLength: 1, maxLength: 8 });
  const fields = fc.record({ vector: fc.nat(255), destination: fc.nat(0xffff), suppressed: fc.boolean() });
  fc.assert(
    fc.property(vectors, fields, fc.nat(2), (posted, control, cpu) => {
      const memory = new HostMemory();
      memory.map(BASE, new DataSlot(0x1000));
      const address = BASE + cpu * 64;
      updatePostedControl(memory, address, control);
      for (const vector of posted) postInterrupt(memory, address, vector, false);
      const at = (...path: string[]) =>
        postedDescriptorsAt((from, length) => memory.look(from, length), BASE, 3, path);
      const ascending = [...posted].sort((x, y) => x - y).join(', ');
      expect(at(`cpu${cpu}`, 'PIR')?.value).toEqual({ kind: 'text', value: ascending });
      expect(at(`cpu${(cpu + 1) % 3}`, 'PIR')?.value).toEqual({ kind: 'text', value: 'none' });
      const shown = at(`cpu${cpu}`, 'control')?.value;
      if (shown?.kind !== 'register' || !shown.fields) throw new Error('no fields');
      const { fields: parts, value } = shown;
      const field = (name: string): number => {
        const part = parts.find((each) => each.name.endsWith(`(${name})`));
        if (!part) throw new Error(`no field ${name}`);
        return Number(BigInt.asUintN(part.high - part.low + 1, value >> BigInt(part.low)));
      };
      // Table 31-1: a notification is outstanding only where none is suppressed.
      expect(field('ON')).toBe(control.suppressed ? 0 : 1);
      expect(field('SN')).toBe(control.suppressed ? 1 : 0);
      expect([field('NV'), field('NDST')]).toEqual([control.vector, control.destination]);
    }),
  );
});
