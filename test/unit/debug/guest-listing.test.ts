/** Listings of a guest's file beside what the linker and the debug information say of it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { listGuest } from '../../../src/debug/disassembly/guest-listing';
import type { GuestImage } from '../../../src/guest/image';
import { imageOf } from '../../../src/run/guest-image';
import { jobOf, sample } from '../../support/runs';

describe('the listing of a guest', () => {
  let image: GuestImage;
  beforeAll(async () => {
    const [guest] = (await jobOf(sample('hello'))).guests;
    if (!guest) throw new Error('the scenario has a guest');
    image = imageOf(guest);
  }, 60_000);

  it('covers each function without a gap from its first byte to its last', () => {
    for (const { address, size, name } of image.symbols.functions()) {
      if (size === 0n) continue;
      const listing = listGuest(image, { address: `0x${address.toString(16)}` });
      expect(listing?.isFunction, name).toBe(true);
      let at = address;
      for (const { address: start, bytes } of listing?.instructions ?? []) {
        expect(BigInt(start), name).toBe(at);
        at += BigInt(bytes.split(' ').length);
      }
      expect(at, name).toBe(address + size);
    }
  });

  it('has an instruction of a line where the line table has one', () => {
    const main = image.symbol('main');
    if (!main) throw new Error('the guest has a main');
    const place = image.lines.lookup(main.address);
    if (!place) throw new Error('main has a line');
    const listing = listGuest(image, { file: place.file, line: place.line });
    expect(listing?.name).toBe('main');
    expect(listing?.instructions[0]).toMatchObject({ file: place.file, line: place.line });
  });

  it('shows code without a function around the address, and nothing where there is none', () => {
    const data = image.file.segments.find(({ executable }) => executable);
    if (!data) throw new Error('the guest has code');
    expect(listGuest(image, { address: '0xffff800000000000' })).toBeUndefined();
    expect(listGuest(image, { file: 'nowhere.c', line: 1 })).toBeUndefined();
  });
});
