/** The keyboard controller as firmware and kernels find it. */
import { describe, expect, it } from 'vitest';
import { NO_CPU } from '../../../../src/machine/bus';
import { KeyboardController } from '../../../../src/machine/devices/keyboard-controller';

function controller() {
  const log: string[] = [];
  const unit = new KeyboardController({
    reset: () => log.push('init'),
    interrupt: (asserted) => log.push(asserted ? 'high' : 'low'),
  });
  const command = (value: number): void => unit.commandPort.write(0, 1, value, NO_CPU);
  const data = (value: number): void => unit.data.write(0, 1, value, NO_CPU);
  const status = (): number => unit.commandPort.read(0, 1, NO_CPU);
  /** All that can be read. */
  const answer = (): number[] => {
    const bytes: number[] = [];
    while ((status() & 1) !== 0) bytes.push(unit.data.read(0, 1, NO_CPU));
    return bytes;
  };
  return { unit, log, command, data, status, answer };
}

describe('KeyboardController', () => {
  it('sends INIT when line 0 is pulsed, and when the output port is written with bit 0 clear', () => {
    const { log, command, data, status, answer } = controller();
    command(0xff); // pulses nothing
    expect(status() & 3).toBe(0); // nothing to read, room to write
    command(0xd0);
    const [output] = answer();
    expect(output & 3).toBe(3); // no reset, A20 on
    data(0); // without the command
    command(0xd1);
    data(output);
    expect(log).not.toContain('init');
    command(0xd1);
    data(output & ~1);
    expect(log.filter((each) => each === 'init')).toHaveLength(1);
    command(0xfe);
    expect(log.filter((each) => each === 'init')).toHaveLength(2);
  });

  it('passes its self-test, and keeps its command byte', () => {
    const { command, data, answer } = controller();
    command(0xaa);
    expect(answer()).toEqual([0x55]);
    command(0xab);
    expect(answer()).toEqual([0]);
    command(0x60);
    data(0x44);
    command(0x20);
    expect(answer()).toEqual([0x44]);
    command(0xad);
    command(0x20);
    expect(answer()).toEqual([0x54]);
    command(0xae);
    command(0x20);
    expect(answer()).toEqual([0x44]);
    command(0xd2);
    data(0x1c);
    expect(answer()).toEqual([0x1c]);
  });

  it('has a keyboard that answers', () => {
    const { data, answer, command } = controller();
    const said: [sent: number[], answers: number[]][] = [
      [[0xff], [0xfa, 0xaa]],
      [[0xf4], [0xfa]],
      [
        [0xed, 0x07],
        [0xfa, 0xfa],
      ],
      [
        [0xf0, 0x00],
        [0xfa, 0xfa, 0x02],
      ],
      [[0xee], [0xee]],
      [[0xf2], [0xfa, 0xab, 0x41]],
      [[0x01], [0xfe]],
    ];
    for (const [sent, answers] of said) {
      for (const byte of sent) data(byte);
      expect(answer()).toEqual(answers);
    }
    command(0x60);
    data(0x05); // without translation
    data(0xf2);
    expect(answer()).toEqual([0xfa, 0xab, 0x83]);
  });

  it('interrupts for each byte, while it may', () => {
    const { log, command, data, answer } = controller();
    log.length = 0;
    data(0xff);
    answer();
    expect(log).toEqual(['high', 'low', 'high', 'low', 'low']);
    command(0x60);
    data(0x44);
    log.length = 0;
    data(0xee);
    answer();
    expect(log).not.toContain('high');
  });

  it('loses what nobody reads', () => {
    const { command, answer } = controller();
    for (let i = 0; i < 1000; i++) command(0xd0);
    expect(answer().length).toBeLessThanOrEqual(16);
  });
});
