/** MSI and MSI-X as a driver programs them (PCI 3.0, 6.8). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MsiPort } from '../../../../src/machine/bus';
import { Command } from '../../../../src/machine/pci/config';
import { firmwareAssign } from '../../../../src/machine/pci/firmware';
import type { PciFunction } from '../../../../src/machine/pci/function';
import { type BarSpec } from '../../../../src/machine/pci/function';
import { MsiVectors } from '../../../../src/machine/pci/msi';
import { MsixVectors } from '../../../../src/machine/pci/msix';
import { at, capabilities, machine, nic } from './machine';

type Sent = [requester: number, address: number, data: number];

const DEVICE = 5;
const REQUESTER = DEVICE << 3;
const ADDRESS = 0xfee01000;

/** A function with MSI of so many vectors, bus master. */
function withMsi(vectors: number) {
  const m = machine();
  const sent: Sent[] = [];
  const fn = nic();
  const msi = new MsiVectors(fn, { send: (...message) => void sent.push(message) }, vectors);
  m.root.add(at(DEVICE), fn);
  m.write(DEVICE, 4, Command.BusMaster, 2);
  const where = capabilities(m, DEVICE).get(0x05) ?? 0;
  return {
    m,
    fn,
    msi,
    sent,
    where,
    control: (value: number): void => m.write(DEVICE, where + 2, value, 2),
    program: (data: number): void => {
      m.write(DEVICE, where + 4, ADDRESS);
      m.write(DEVICE, where + 8, 0);
      m.write(DEVICE, where + 12, data, 2);
    },
  };
}

describe('MSI', () => {
  it('tells what it can: vectors, 64-bit addresses, masks', () => {
    const controls = [1, 2, 4, 8, 16, 32].map((vectors) => {
      const { m, where } = withMsi(vectors);
      return m.read(DEVICE, where + 2, 2);
    });
    // Bits 3:1 are the logarithm, bit 7 the 64-bit address, bit 8 masking; nothing is enabled.
    expect(controls).toEqual([0, 1, 2, 3, 4, 5].map((log) => 0x180 | (log << 1)));
    expect(() => new MsiVectors(nic(), { send: () => undefined }, 3)).toThrow(RangeError);
    expect(() => new MsiVectors(nic(), { send: () => undefined }, 64)).toThrow(RangeError);
  });

  it('sends the message with the vector in the low bits of its data', () => {
    const { msi, sent, program, control } = withMsi(4);
    program(0x4045);
    msi.raise(0);
    expect([msi.enabled, sent]).toEqual([false, []]);
    control(0x01 | (2 << 4));
    expect(msi.enabled).toBe(true);
    for (const vector of [0, 1, 3]) msi.raise(vector);
    expect(sent).toEqual([
      [REQUESTER, ADDRESS, 0x4044],
      [REQUESTER, ADDRESS, 0x4045],
      [REQUESTER, ADDRESS, 0x4047],
    ]);
  });

  it('has an address above 4 GiB, too', () => {
    const { m, msi, sent, program, control, where } = withMsi(1);
    program(0x30);
    m.write(DEVICE, where + 8, 0x12);
    control(1);
    msi.raise(0);
    expect(sent).toEqual([[REQUESTER, 0x12 * 2 ** 32 + ADDRESS, 0x30]]);
  });

  it('shares the vectors that software gave, however many it gave', () => {
    const { msi, sent, program, control } = withMsi(8);
    program(0x50);
    control(0x01 | (1 << 4)); // two of eight
    for (const vector of [0, 1, 2, 7]) msi.raise(vector);
    expect(sent.map(([, , data]) => data)).toEqual([0x50, 0x51, 0x50, 0x51]);
    control(0x01 | (7 << 4)); // reserved, more than there are
    msi.raise(7);
    expect(sent.at(-1)).toEqual([REQUESTER, ADDRESS, 0x57]);
  });

  it('keeps a masked vector pending and sends it once when it is unmasked', () => {
    const { m, msi, sent, program, control, where } = withMsi(2);
    program(0x60);
    control(0x01 | (1 << 4));
    m.write(DEVICE, where + 16, 0b10);
    for (let i = 0; i < 3; i++) msi.raise(1);
    msi.raise(0);
    expect([sent.map(([, , data]) => data), m.read(DEVICE, where + 20)]).toEqual([[0x60], 0b10]);
    m.write(DEVICE, where + 20, 0); // pending bits are read-only
    expect(m.read(DEVICE, where + 20)).toBe(0b10);
    m.write(DEVICE, where + 16, 0);
    expect([sent.map(([, , data]) => data), m.read(DEVICE, where + 20)]).toEqual([[0x60, 0x61], 0]);
    m.write(DEVICE, where + 16, 0xffffffff);
    expect(m.read(DEVICE, where + 16)).toBe(0b11);
  });

  it('silences INTx while it is enabled', () => {
    const { m, fn, control } = withMsi(1);
    fn.setInterrupt(true);
    control(1);
    control(0);
    expect(m.lines.map(([, asserted]) => asserted)).toEqual([true, false, true]);
    expect(m.read(DEVICE, 6, 2) & 8).toBe(8);
  });

  it('sends nothing while the function is no bus master', () => {
    const { m, msi, sent, program, control } = withMsi(1);
    program(0x30);
    control(1);
    m.write(DEVICE, 4, 0, 2);
    msi.raise(0);
    expect(sent).toEqual([]);
  });
});

const TABLE = 0x100;
const PENDING = 0x800;
const VECTORS = 5;

/** A function with MSI-X in its BAR 1, as firmware leaves it, bus master. */
function withMsix(vectors = VECTORS) {
  const m = machine();
  const sent: Sent[] = [];
  const layout = { vectors, bar: 1, table: TABLE, pending: PENDING };
  const sentByOther: [how: string, ...message: Sent][] = [];
  const other: MsiPort = {
    send: (...message) => void sentByOther.push(['send', ...message]),
    sendUnmasked: (...message) => void sentByOther.push(['unmasked', ...message]),
  };
  const msix = new MsixVectors({ send: (...message) => void sent.push(message) }, layout, other);
  const bar: BarSpec = { index: 1, kind: 'memory32', size: 0x1000, block: msix.block, name: 'msix' };
  const fn: PciFunction = nic([bar]);
  msix.addTo(fn);
  m.root.add(at(DEVICE), fn);
  firmwareAssign(m.root);
  m.write(DEVICE, 4, m.read(DEVICE, 4, 2) | Command.BusMaster, 2);
  const where = capabilities(m, DEVICE).get(0x11) ?? 0;
  const place = m.read(DEVICE, where + 4);
  const base = m.read(DEVICE, 0x10 + 4 * (place & 7)) & ~15;
  const table = (base >>> 0) + (place & ~7);
  const pending = (base >>> 0) + (m.read(DEVICE, where + 8) & ~7);
  return {
    m,
    fn,
    msix,
    sent,
    sentByOther,
    other,
    where,
    control: (value: number): void => m.write(DEVICE, where + 2, value, 2),
    entry: (vector: number, data: number, masked: boolean): void => {
      const entry = table + vector * 16;
      m.memory.write(entry, 8, ADDRESS, 0);
      m.memory.write(entry + 8, 4, data);
      m.memory.write(entry + 12, 4, masked ? 1 : 0);
    },
    mask: (vector: number, masked: boolean): void =>
      m.memory.write(table + vector * 16 + 12, 4, masked ? 1 : 0),
    pending: (): number => m.memory.read(pending, 4),
    word: (vector: number, word: number): number => m.memory.read(table + vector * 16 + word * 4, 4),
  };
}

const ENABLE = 1 << 15;
const FUNCTION_MASK = 1 << 14;

describe('MSI-X', () => {
  it('tells the size of its table and where it is, every vector masked', () => {
    const { m, where, word } = withMsix();
    expect(m.read(DEVICE, where + 2, 2)).toBe(VECTORS - 1);
    expect([m.read(DEVICE, where + 4), m.read(DEVICE, where + 8)]).toEqual([TABLE | 1, PENDING | 1]);
    for (let vector = 0; vector < VECTORS; vector++) expect(word(vector, 3)).toBe(1);
  });

  it('sends each vector as its entry says', () => {
    const { msix, sent, control, entry } = withMsix();
    entry(0, 0x41, false);
    entry(4, 0x45, false);
    msix.raise(0);
    expect([msix.enabled, sent]).toEqual([false, []]);
    control(ENABLE);
    msix.raise(4);
    msix.raise(0);
    msix.raise(VECTORS); // a vector that is not there
    expect(sent).toEqual([
      [REQUESTER, ADDRESS, 0x45],
      [REQUESTER, ADDRESS, 0x41],
    ]);
  });

  it('keeps a masked vector pending, and sends it once at unmasking', () => {
    const { msix, sent, control, entry, mask, pending } = withMsix();
    entry(2, 0x42, true);
    control(ENABLE);
    msix.raise(2);
    msix.raise(2);
    expect([sent, pending()]).toEqual([[], 0b100]);
    mask(2, false);
    expect([sent, pending()]).toEqual([[[REQUESTER, ADDRESS, 0x42]], 0]);
    mask(2, true);
    mask(2, false);
    expect(sent).toHaveLength(1);
  });

  it('masks the whole function, each vector keeping its own mask', () => {
    const { msix, sent, control, entry, pending } = withMsix();
    for (const vector of [0, 1, 2]) entry(vector, 0x50 + vector, vector === 1);
    control(ENABLE | FUNCTION_MASK);
    for (const vector of [0, 1, 2]) msix.raise(vector);
    expect([sent, pending()]).toEqual([[], 0b111]);
    control(ENABLE);
    expect([sent.map(([, , data]) => data), pending()]).toEqual([[0x50, 0x52], 0b010]);
  });

  it('sends what another port has raised by that port, also after unmasking', () => {
    const { control, entry, mask, msix, sent, sentByOther, other, pending } = withMsix();
    for (const vector of [0, 1]) entry(vector, 0x41 + vector, false);
    control(ENABLE);
    msix.raise(0, other);
    expect(sentByOther).toEqual([['send', REQUESTER, ADDRESS, 0x41]]);
    for (const vector of [0, 1]) mask(vector, true);
    msix.raise(0, other);
    // Its bit is set already: there is one message.
    msix.raise(0);
    msix.raise(1);
    msix.raise(1, other);
    for (const vector of [0, 1]) mask(vector, false);
    expect(sentByOther.slice(1)).toEqual([['unmasked', REQUESTER, ADDRESS, 0x41]]);
    expect(sent).toEqual([[REQUESTER, ADDRESS, 0x42]]);
    expect(pending()).toBe(0);
  });

  it('sends by its own port what software has seen pending', () => {
    const { control, entry, mask, msix, sent, sentByOther, other, pending } = withMsix();
    entry(3, 0x44, true);
    control(ENABLE);
    msix.raise(3, other);
    expect(pending()).toBe(0b1000);
    mask(3, false);
    expect([sent, sentByOther]).toEqual([[[REQUESTER, ADDRESS, 0x44]], []]);
    // The next one, which nobody has seen, is the other's again.
    mask(3, true);
    msix.raise(3, other);
    mask(3, false);
    expect(sentByOther).toEqual([['unmasked', REQUESTER, ADDRESS, 0x44]]);
  });

  it('knows after a load whose message waits, and on another host sends it by its own port', () => {
    const from = withMsix();
    from.entry(2, 0x43, true);
    from.control(ENABLE);
    from.msix.raise(2, from.other);
    const saved = structuredClone(from.msix.save());
    for (const [way, byOther] of [
      ['load', 1],
      ['adopt', 0],
    ] as const) {
      const to = withMsix();
      to.control(ENABLE);
      if (way === 'load') to.msix.load(saved);
      else to.msix.adopt(saved.hardware);
      to.mask(2, false);
      expect([to.sentByOther.length, to.sent.length]).toEqual([byOther, 1 - byOther]);
    }
  });

  it('takes the message that the entry has at unmasking', () => {
    const { msix, sent, control, entry } = withMsix();
    entry(0, 0x41, true);
    control(ENABLE);
    msix.raise(0);
    entry(0, 0x99, false);
    expect(sent).toEqual([[REQUESTER, ADDRESS, 0x99]]);
  });

  it('has read-only pending bits, and no effect of narrow writes', () => {
    const { m, msix, control, entry, pending, word } = withMsix();
    entry(1, 0x41, true);
    control(ENABLE);
    msix.raise(1);
    const base = m.read(DEVICE, 0x14) >>> 0;
    m.memory.write(base + PENDING, 4, 0);
    m.memory.write(base + TABLE + 16 + 8, 1, 0x77);
    expect([pending(), word(1, 2)]).toEqual([0b10, 0x41]);
    expect([m.memory.read(base + TABLE + 16 + 9, 1), m.memory.read(base + 0x10, 4)]).toEqual([0, 0]);
  });

  it('silences INTx while it is enabled, and is off after a reset', () => {
    const { m, fn, msix, control, entry, word } = withMsix();
    fn.setInterrupt(true);
    entry(0, 0x41, false);
    control(ENABLE);
    expect(m.lines.map(([, asserted]) => asserted)).toEqual([true, false]);
    fn.setInterrupt(false);
    m.root.reset();
    expect(msix.enabled).toBe(false);
    firmwareAssign(m.root);
    expect([word(0, 2), word(0, 3)]).toEqual([0, 1]);
  });

  it('has to fit its BAR and to be added before it is used', () => {
    const port = { send: () => undefined };
    const make = (vectors: number, table: number, pending: number): MsixVectors =>
      new MsixVectors(port, { vectors, bar: 0, table, pending });
    expect(() => make(0, 0, 0x800)).toThrow(RangeError);
    expect(() => make(2049, 0, 0x10000)).toThrow(RangeError);
    expect(() => make(4, 4, 0x800)).toThrow(RangeError);
    expect(() => make(4, 0, 0x38)).toThrow(RangeError);
    expect(() => make(4, 0, 0x40).enabled).toThrow(/addTo/);
  });

  it('sends as often as a simple model under any masking, and goes on identically after save and load', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('raise' as const), vector: fc.nat(VECTORS) }),
      fc.record({ do: fc.constant('mask' as const), vector: fc.nat(VECTORS - 1), on: fc.boolean() }),
      fc.record({
        do: fc.constant('control' as const),
        value: fc.constantFrom(0, ENABLE, ENABLE | FUNCTION_MASK),
      }),
      fc.record({ do: fc.constant('cut' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let one = withMsix();
        const expected: number[] = [];
        const seen: number[] = [];
        const masked = new Array<boolean>(VECTORS).fill(false);
        const waiting = new Set<number>();
        let control = 0;
        for (let vector = 0; vector < VECTORS; vector++) one.entry(vector, 0x40 + vector, false);
        const settle = (): void => {
          for (const vector of [...waiting].sort()) {
            if ((control & ENABLE) === 0 || (control & FUNCTION_MASK) !== 0 || masked[vector]) continue;
            waiting.delete(vector);
            expected.push(0x40 + vector);
          }
        };
        for (const each of steps) {
          if (each.do === 'raise') {
            one.msix.raise(each.vector);
            if ((control & ENABLE) !== 0 && each.vector < VECTORS) waiting.add(each.vector);
          } else if (each.do === 'mask') {
            one.mask(each.vector, each.on);
            masked[each.vector] = each.on;
          } else if (each.do === 'control') {
            one.control(each.value);
            control = each.value;
          } else {
            const two = withMsix();
            two.m.root.load(structuredClone(one.m.root.save()));
            seen.push(...one.sent.map(([, , data]) => data));
            one = two;
          }
          settle();
        }
        seen.push(...one.sent.map(([, , data]) => data));
        expect(seen).toEqual(expected);
        expect(one.pending()).toBe([...waiting].reduce((bits, vector) => bits | (1 << vector), 0));
      }),
      { seed: 3, numRuns: 300 },
    );
  });
});
