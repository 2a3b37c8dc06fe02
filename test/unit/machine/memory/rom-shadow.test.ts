import { describe, expect, it } from 'vitest';
import { RomShadow, SHADOW } from '../../../../src/machine/memory/rom-shadow';
import { PAM, hostBridge } from '../../../../src/machine/pci/host-bridge';
import { TranslationAccess } from '../../../../src/machine/x86/translation';

const MIB = 1 << 20;
const RAM = 16 * MIB;
const ROM = 256 << 10;
const { Read, Write, Execute } = TranslationAccess;

function shadowed() {
  const shadow = new RomShadow(RAM, ROM);
  const bridge = hostBridge(shadow);
  const log: string[] = [];
  shadow.serve([{ flushTranslations: () => log.push('flush'), requestAttention: () => log.push('stop') }]);
  return { shadow, bridge, log };
}

describe('RomShadow', () => {
  it('shows the whole ROM below 4 GiB and its last 128 KiB below 1 MiB, to be read and executed', () => {
    const { shadow } = shadowed();
    for (const access of [Read, Execute]) {
      expect(shadow.translate(0xffffffff - 0xfff, access)).toBe(RAM + ROM - 0x1000);
      expect(shadow.translate(2 ** 32 - ROM, access)).toBe(RAM);
      expect(shadow.translate(2 ** 32 - ROM - 0x1000, access)).toBeUndefined();
      expect(shadow.translate(0xff000, access)).toBe(RAM + ROM - 0x1000);
      expect(shadow.translate(0xe0000, access)).toBe(RAM + ROM - 0x20000);
      expect(shadow.translate(0xdf000, access)).toBeUndefined();
    }
    expect(shadow.translate(0xfffff000, Write)).toBeUndefined();
    expect(shadow.translate(0xf0000, Write)).toBeUndefined();
    expect(shadow.translate(2 ** 32, Read)).toBeUndefined();
  });

  it('leaves all other addresses to RAM, and what is beyond it to nobody', () => {
    const { shadow } = shadowed();
    for (const access of [Read, Write, Execute]) {
      for (const page of [0, 0xbf000, 0x100000, RAM - 0x1000])
        expect(shadow.translate(page, access)).toBe(page);
      expect(shadow.translate(RAM, access)).toBeUndefined();
    }
  });

  it('has RAM where the host bridge says so, area by area, for reads and writes apart (data sheet, table 3-3)', () => {
    // Register, half, first address, bytes: as the data sheet lists them.
    const areas: [register: number, high: boolean, base: number, size: number][] = [
      [0x59, true, 0xf0000, 0x10000],
      ...[0xc0000, 0xc8000, 0xd0000, 0xd8000, 0xe0000, 0xe8000].flatMap((base, index) =>
        [false, true].map((high): [number, boolean, number, number] => [
          0x5a + index,
          high,
          base + (high ? 0x4000 : 0),
          0x4000,
        ]),
      ),
    ];
    for (const [register, high, base, size] of areas) {
      for (const bit of [1, 2]) {
        const { shadow, bridge } = shadowed();
        bridge.write(register, 1, high ? bit << 4 : bit);
        for (let page: number = SHADOW.base; page < SHADOW.end; page += 0x1000) {
          const inside = page >= base && page < base + size;
          expect(shadow.translate(page, Read) === page).toBe(inside && bit === 1);
          expect(shadow.translate(page, Write) === page).toBe(inside && bit === 2);
        }
      }
    }
  });

  it('is forgotten by the CPUs at every change, and interrupts what runs when software made it', () => {
    const { bridge, log } = shadowed();
    bridge.write(PAM.offset, 1, 0x30);
    expect(log).toEqual(['flush', 'stop']);
    const saved = structuredClone(bridge.save());
    bridge.reset();
    bridge.load(saved);
    bridge.adopt(saved.hardware);
    expect(log).toEqual(['flush', 'stop', 'flush', 'flush', 'flush']);
    bridge.write(0x0c, 1, 0x10); // none of its registers
    expect(log).toHaveLength(5);
  });

  it('has no low half in PAM0 and no bits beside RE and WE', () => {
    const { bridge } = shadowed();
    for (let register = 0; register < PAM.count; register++) bridge.write(PAM.offset + register, 1, 0xff);
    const values = Array.from({ length: PAM.count }, (_, register) => bridge.read(PAM.offset + register, 1));
    expect(values).toEqual([0x30, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33]);
  });
});
