import { afterAll, beforeAll, expect, it } from 'vitest';
import { Harness } from './harness';
import { takePictures } from './pictures';

let harness: Harness;
beforeAll(async () => {
  harness = await Harness.start();
});
afterAll(() => harness?.stop());

it(
  'looks the same to nobody but draws without an error in every theme, size and state',
  { timeout: 240_000 },
  async () => {
    expect(await takePictures(harness, process.env['PICTURES'] ?? '')).toEqual([]);
  },
);
