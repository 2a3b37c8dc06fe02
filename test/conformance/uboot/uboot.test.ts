/** U-Boot, where the package with its images is installed: it boots from its reset vector, and its shell answers. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { vmmNames } from '../../../src/vmm/vmm-facts';
import { jobOf, runJob } from '../../support/runs';
import { INSTALLED, imagesAt, judgeSession, scenarioOf } from './session';

const images = await imagesAt(INSTALLED);

describe.skipIf(images.length === 0)('U-Boot (needs the Debian package u-boot-qemu)', () => {
  it.each(images.flatMap((image) => vmmNames.map((vmm) => ({ image, vmm }))))(
    'boots $image by the VMM $vmm, and its shell answers',
    async ({ image, vmm }) => {
      const job = await jobOf(join(dirname(image), 'u-boot.trapline.json'), scenarioOf(image, vmm));
      const { serial, end } = runJob(job);
      const exitCode = end.summary.vms[0]?.exitCode;
      const verdicts = judgeSession('u-boot', { exitCode, output: serial, message: end.meta.message });
      expect(verdicts.filter(({ result }) => result !== 'pass')).toEqual([]);
    },
    600_000,
  );
});

describe('the judgement of a session', () => {
  it('fails whatever the shell did not answer', () => {
    const verdicts = judgeSession('u-boot', { exitCode: undefined, output: '', message: 'never came' });
    expect(verdicts.length).toBeGreaterThan(5);
    expect(verdicts.every(({ result }) => result === 'fail')).toBe(true);
    expect(verdicts.at(-1)?.detail).toBe('never came');
  });

  it('finds no image where there is none', async () => {
    expect(await imagesAt(join(__dirname, 'nothing'))).toEqual([]);
    expect(existsSync(join(__dirname, 'u-boot.rom'))).toBe(false);
    expect(await imagesAt(__dirname)).toEqual([]);
  });
});
