import { describe, expect, it } from 'vitest';
import type { GuestListing } from '../../../../src/debug/disassembly/guest-listing';
import { renderListing } from '../../../../src/extension/disassembly/render';

const listing: GuestListing = {
  name: 'send',
  isFunction: true,
  bits: 64,
  instructions: [
    { address: '0x100f3a', bytes: '55', text: 'push rbp', file: '/w/drivers/nic.c', line: 3 },
    { address: '0x100f3b', bytes: '48 89 e5', text: 'mov rbp, rsp', file: '/w/drivers/nic.c', line: 3 },
    {
      address: '0x100f3e',
      bytes: '89 51 18',
      text: 'mov dword ptr [rcx + 0x18], edx',
      file: '/w/drivers/nic.c',
      line: 4,
    },
    { address: '0x100f41', bytes: '06', text: '' },
  ],
};

describe('a listing as text', () => {
  it('has the source lines between the instructions', () => {
    const { text } = renderListing(listing, ['send of vm0'], () => [
      '',
      '',
      'void send(void) {',
      '  *tdt = tail;',
    ]);
    expect(text).toBe(
      [
        '; send of vm0',
        '',
        '; nic.c:3  void send(void) {',
        '  100f3a  55                        push rbp',
        '  100f3b  48 89 e5                  mov rbp, rsp',
        '',
        '; nic.c:4  *tdt = tail;',
        '  100f3e  89 51 18                  mov dword ptr [rcx + 0x18], edx',
        '',
        '; no source line',
        '  100f41  06                        (bad)',
        '',
      ].join('\n'),
    );
  });

  it('knows each instruction by its line and each line by its instruction', () => {
    const { text, lineOf, addressOf } = renderListing(listing, ['one', 'two'], () => undefined);
    expect([...lineOf.keys()]).toEqual(listing.instructions.map(({ address }) => address));
    for (const [address, line] of lineOf) {
      expect(text.split('\n')[line]).toContain(address.slice(2));
      expect(addressOf.get(line)).toBe(address);
    }
    expect(addressOf.size).toBe(lineOf.size);
  });
});
