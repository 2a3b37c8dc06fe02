/** Guests that fall over, each in its way: what is said of it, and where the session stands then. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Dialogue, lineOf, unoptimised } from '../support/debug/dialogue';
import { openControlled } from '../support/debug/open-run';
import { root } from '../support/runs';

interface Told {
  readonly d: Dialogue;
  readonly title: string;
  readonly text: string;
  readonly frame: DebugProtocol.StackFrame;
}

function driverOf(name: string): string {
  return join(root, 'test/fixtures/crashes', `${name}.c`);
}

async function crashOf(name: string): Promise<Told> {
  const file = unoptimised('timer', {}, (scenario) => {
    const [{ guest }] = scenario['vms'] as { guest: Record<string, unknown> }[];
    guest['sources'] = [driverOf(name)];
    guest['defines'] = {};
  });
  const d = new Dialogue(openControlled());
  await d.launch(name, { file });
  expect(d.events.findLast(({ event }) => event === 'stopped')?.body).toMatchObject({ reason: 'exception' });
  const { exceptionId, description } = await d.ask<{ exceptionId: string; description: string }>(
    'exceptionInfo',
    { threadId: 1 },
  );
  const { stackFrames } = await d.ask<{ stackFrames: DebugProtocol.StackFrame[] }>('stackTrace', {
    threadId: 1,
  });
  return { d, title: exceptionId, text: description, frame: stackFrames[0] };
}

describe('a crash', () => {
  it('of a write through NULL is shown at the store', async () => {
    const { d, text, frame } = await crashOf('null-write');
    expect(frame).toMatchObject({ name: 'push', line: lineOf(driverOf('null-write'), 'the fault') });
    // A write to a page that is not there, by the kernel: bit 1 alone (SDM vol. 3, 4.7). The structure's second member.
    expect(text).toContain('#PF (error code 0x2) went to tl_exception');
    expect(text).toContain('The address was 0x4: a NULL');
    expect(await d.ask('evaluate', { expression: 'own', frameId: frame.id })).toMatchObject({
      result: '0x0',
    });
    expect(await d.ask('evaluate', { expression: 'value', frameId: frame.id })).toMatchObject({
      result: '7',
    });
  });

  it('of a call through a bad pointer is shown at the call', async () => {
    const { text, frame } = await crashOf('wild-call');
    expect(frame).toMatchObject({ name: 'dispatch', line: lineOf(driverOf('wild-call'), 'the call') });
    expect(text).toContain('0x123456789000');
    expect(text).toMatch(/#(PF|GP) \(error code/);
    expect(text).toContain('call or jump through a pointer');
  });

  it('of a stack that grew out of its room is shown in the function that had no room left', async () => {
    const { d, text, frame } = await crashOf('stack-overflow');
    expect(frame.name).toBe('descend');
    expect(text).toContain('the stack has overflowed');
    const { result: level } = await d.ask<{ result: string }>('evaluate', { expression: 'depth' });
    // The room of the guest kit's stack is 64 KiB, and each call takes more than 512 bytes of it.
    expect(Number(level)).toBeGreaterThan(64);
    expect(Number(level)).toBeLessThanOrEqual(128);
  });
});
