/** Dialogues of an editor with the debugger, as golden texts that read like stories. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RunMessage } from '../../src/protocol/run';
import { Dialogue, lineOf } from '../support/debug/dialogue';
import { openControlled } from '../support/debug/open-run';
import { expectGolden } from '../support/golden';

const THREAD = { threadId: 1 };

/** `lea eax, [rdi + 1]; ret`, in memory that the driver fills. */
const MADE_CODE = `#include "trapline.h"
static unsigned char bytes[16] = { 0x8d, 0x47, 0x01, 0xc3 };
static int (*volatile made)(int);
int main(void) {
    int result;
    made = (int (*)(int))(void *)bytes;
    result = made(6);
    return result == 7 ? 0 : 1;
}
`;

function golden(name: string): string {
  return join(import.meta.dirname, `${name}.txt`);
}

describe('dialogues', () => {
  it('breakpoints', async () => {
    const d = new Dialogue(openControlled());
    d.tell(
      'Breakpoints in the timer driver: one by a condition, one by a count, one that only logs, one by a name.',
    );
    await d.launch('timer', { defines: { TICKS: 6 } }, async () => {
      await d.breakpoints('timer', {
        'ticks++': { condition: 'ticks == 1' },
        'tl_mark(1, ticks)': { hitCondition: '4' },
        'const uint64_t cycles': { logMessage: '{ticks} ticks, first of them after {start > 0}' },
      });
      await d.say('setFunctionBreakpoints', {
        breakpoints: [{ name: 'tl_timer_stop' }, { name: 'no_such_function' }],
      });
    });
    d.tell('The condition holds at the second tick.');
    await d.stack();
    await d.watch('ticks', 'argument', '&ticks != 0');
    d.tell('The fourth hit of the line behind it.');
    await d.say('continue', THREAD);
    await d.watch('ticks');
    d.tell('The logpoint speaks, and the function is entered.');
    await d.say('continue', THREAD);
    await d.stack();
    d.tell('Back to the breakpoint before: hits are counted along the time of the run.');
    await d.say('reverseContinue', THREAD);
    await d.watch('ticks');
    await d.say('reverseContinue', THREAD);
    await d.watch('ticks');
    d.tell('With no breakpoint before it, the beginning of the run.');
    await d.say('reverseContinue', THREAD);
    expectGolden(golden('breakpoints'), d.text());
  });

  it('steps through an interrupt', async () => {
    const d = new Dialogue(openControlled());
    d.tell(
      'The driver sleeps in HLT until the timer fires. A step over that line runs the handler, and does not show it.',
    );
    await d.launch('timer', { defines: { TICKS: 2 } }, () => d.breakpoints('timer', { 'tl_cli();': {} }));
    await d.stack();
    await d.watch('ticks');
    await d.say('next', THREAD);
    await d.stack();
    await d.say('next', THREAD);
    await d.stack();
    await d.watch('ticks');
    d.tell('Who wants to see the handler puts a breakpoint there.');
    await d.breakpoints('timer', { 'ticks++': {} });
    await d.say('continue', THREAD);
    await d.stack();
    d.tell('Out of it, as far as there is source; and back to its call.');
    await d.say('stepOut', THREAD);
    await d.stack();
    d.tell(
      'And back: to the line in the handler, and from there to the call of it, and to the instruction that was interrupted.',
    );
    await d.say('stepBack', THREAD);
    await d.stack(1, 1);
    await d.say('trapline/stepOutBack', THREAD);
    await d.stack(1, 1);
    await d.say('trapline/stepOutBack', THREAD);
    await d.stack(1, 2);
    expectGolden(golden('interrupt'), d.text());
  });

  it('goes back to the store that caused an exit', async () => {
    const d = new Dialogue(openControlled());
    d.tell('The run stops at the first VM exit that a store to the NIC caused, once the driver transmits.');
    await d.launch('b7-e1000-emulated', { defines: { PACKETS: 2 } }, () =>
      d.breakpoints('e1000', { 'sent < PACKETS && sent': {} }),
    );
    const { id } = await d.say('trapline/stopAt', { query: 'exit:EPT_MISCONFIG reg:TDT' });
    expect(id).toBe(1);
    await d.breakpoints('e1000', {});
    await d.say('continue', THREAD);
    await d.stack();
    await d.say('trapline/clearStopAt');
    d.tell('The store itself, and the statements before it.');
    await d.watch('tx_next', 'tx_ring[0].length', 'number');
    await d.say('stepBack', THREAD);
    await d.stack(1, 1);
    await d.watch('tx_next');
    await d.say('stepBack', THREAD);
    await d.stack(1, 1);
    await d.watch('tx_ring[0].command', '/x tx_ring[0]');
    expectGolden(golden('exit'), d.text());
  });

  it('finds that a device wrote last', async () => {
    const d = new Dialogue(openControlled());
    d.tell('A frame has come back. Who set the status of its descriptor?');
    await d.launch('b7-e1000-emulated', { defines: { PACKETS: 2 } }, () =>
      d.breakpoints('e1000', { 'tl_check(descriptor->status': {} }),
    );
    await d.stack(1, 2);
    await d.watch('descriptor->status', 'rx_next');
    const found = await d.say('trapline/lastWriter', { expression: 'descriptor->status' });
    d.answer(String(found['sentence']));
    expect(found).toMatchObject({ found: true, isDevice: true, who: 'e1000' });
    await d.stack();
    await d.watch('rx_ring[0].status');
    d.tell('And its own account of the ring: only the driver touches that.');
    const writer = await d.say('trapline/lastWriter', { expression: 'tx_next' });
    d.answer(String(writer['sentence']));
    expect(writer).toMatchObject({ found: true, isDevice: false });
    await d.stack(1, 1);
    expectGolden(golden('last-writer'), d.text());
  });

  it('stops at events that a query matches', async () => {
    const d = new Dialogue(openControlled());
    d.tell(
      'Exception filters are queries over the trace: here interrupts of one vector, and writes of a register.',
    );
    await d.launch('b7-e1000-emulated', { defines: { PACKETS: 2 } }, async () => {
      await d.say('setExceptionBreakpoints', {
        filters: [],
        filterOptions: [
          { filterId: 'inject' },
          { filterId: 'exit', condition: 'exit:' },
          { filterId: 'nothing' },
        ],
      });
    });
    await d.stack(1, 3);
    const info = await d.ask('exceptionInfo', THREAD);
    d.answer(String(info['description']));
    d.tell('A stop of one’s own, in the language of the find box.');
    await d.say('setExceptionBreakpoints', { filters: [] });
    await d.say('trapline/stopAt', { query: 'kind:mmio.write reg:TDT fn:send' });
    await d.say('trapline/stopAt', { query: 'reg:' });
    await d.say('continue', THREAD);
    d.tell('What such a stop would have said so far.');
    const past = await d.ask<{ count: number; messages: { text: string }[] }>('trapline/logInPast', {
      query: 'kind:mmio.write reg:IMS',
      message: 'IMS written in {$rip != 0}: {event}',
    });
    d.answer(`${past.count}: ${past.messages.map(({ text }) => text).join('; ')}`);
    expectGolden(golden('query'), d.text());
  });

  it('debugs two vCPUs', async () => {
    const d = new Dialogue(openControlled());
    d.tell('Two vCPUs pass a token. A breakpoint is hit by whichever of them comes there.');
    await d.launch('smp-ipi', { defines: { ROUNDS: 2, ADDS: 3 } }, () =>
      d.breakpoints('smp', { 'received[tl_cpu_id()]++': {} }),
    );
    const threads = await d.ask<{ threads: { id: number; name: string }[] }>('threads');
    d.answer(threads.threads.map(({ id, name }) => `${id} ${name}`).join(', '));
    await d.stack(2);
    await d.stack(1, 3);
    await d.say('next', { threadId: 2 });
    await d.stack(2, 1);
    d.tell('The other one comes there next.');
    await d.say('continue', { threadId: 2 });
    await d.stack(1, 2);
    d.tell('And before that it was the first again.');
    await d.say('reverseContinue', THREAD);
    await d.watch('received[0]', 'received[1]');
    expectGolden(golden('two-vcpus'), d.text());
  });

  it('steps into the call that is chosen', async () => {
    const d = new Dialogue(openControlled());
    d.tell(
      'A line makes two calls, one for the argument of the other. The reader wants to see the outer one.',
    );
    await d.launch('b7-e1000-emulated', { defines: { PACKETS: 2 } }, () =>
      d.breakpoints('e1000', { 'tl_irq_register(tl_pci_interrupt_line': {} }),
    );
    const choose = async (): Promise<DebugProtocol.StepInTarget[]> => {
      const [{ id: frameId }] = await d.stack(1, 1);
      const body = await d.ask<{ targets: DebugProtocol.StepInTarget[] }>('stepInTargets', { frameId });
      d.answer(`calls of the line: ${body.targets.map(({ label }) => label).join(', ')}`);
      return body.targets;
    };
    const targets = await choose();
    const { id } = targets.find(({ label }) => label === 'tl_irq_register') ?? { id: 0 };
    await d.say('stepIn', { ...THREAD, targetId: id }, { into: 'tl_irq_register' });
    await d.stack(1, 2);
    await d.watch('argument');
    d.tell('Back at the call nothing is left to choose but what has not been called yet.');
    await d.say('trapline/stepOutBack', THREAD);
    await choose();
    expectGolden(golden('step-in-targets'), d.text());
  });

  it('goes through code that has no lines', async () => {
    const d = new Dialogue(openControlled());
    d.tell(
      'A driver makes a function of two instructions in memory and calls it. Nothing is known of it but its bytes.',
    );
    const folder = mkdtempSync(join(tmpdir(), 'trapline-made-'));
    writeFileSync(join(folder, 'made.c'), MADE_CODE);
    const file = join(folder, 'made.trapline.json');
    writeFileSync(file, JSON.stringify({ vms: [{ guest: { sources: ['made.c'], optimize: '0' } }] }));
    await d.launch('made', { file }, async () => {
      const source = { path: join(folder, 'made.c') };
      const line = lineOf(source.path, 'result = made(6)');
      await d.say('setBreakpoints', { source, breakpoints: [{ line }] }, { driver: 'made.c', line });
    });
    await d.stack(1, 1);
    const { memoryReference } = await d.ask('evaluate', { expression: 'bytes', context: 'watch' });
    const breakpoints = [{ instructionReference: memoryReference }];
    await d.say('setInstructionBreakpoints', { breakpoints }, { at: 'made' });
    await d.say('continue', THREAD);
    d.tell('The frame stands in a listing, on the frame of the driver that called it.');
    const [frame] = await d.stack(1, 2);
    const listing = await d.ask<{ content: string }>('source', {
      sourceReference: frame.source?.sourceReference,
    });
    for (const line of listing.content.split('\n').slice(frame.line - 1, frame.line + 1)) d.answer(line);
    d.tell('A step of an instruction stays there; one of a line goes on to where there are lines again.');
    await d.say('next', { ...THREAD, granularity: 'instruction' });
    await d.stack(1, 1);
    await d.watch('$rax');
    await d.say('next', THREAD);
    await d.stack(1, 1);
    await d.say('next', THREAD);
    await d.watch('result');
    expectGolden(golden('without-lines'), d.text());
  });

  it('explains a crash', async () => {
    const d = new Dialogue(openControlled());
    d.tell('A guest without an interrupt descriptor table executes an undefined instruction.');
    await d.launch('triple-fault');
    await d.stack();
    const info = await d.ask<{ exceptionId: string; description: string }>('exceptionInfo', THREAD);
    expect(info.description).toContain('triple fault');
    d.answer(info.exceptionId);
    d.tell('The run can be gone back through from there.');
    await d.say('stepBack', THREAD);
    await d.stack(1, 1);
    expectGolden(golden('crash'), d.text());
  });
});

describe('a debugged run', () => {
  it('has the trace hash of one that nobody looked at, wherever one has been in it', async () => {
    const hashes: (string | undefined)[] = [];
    const news = (message: RunMessage): void => {
      if (message.type === 'ended') hashes.push(message.end.meta.traceHash);
    };
    const free = new Dialogue(openControlled(news));
    await free.launch('timer', { attributes: { noDebug: true } });
    const d = new Dialogue(openControlled(news));
    await d.launch('timer', {}, () => d.breakpoints('timer', { 'ticks++': { condition: 'ticks % 3 == 0' } }));
    await d.ask('next', THREAD);
    await d.ask('stepBack', THREAD);
    await d.ask('continue', THREAD);
    await d.ask('reverseContinue', THREAD);
    await d.ask('trapline/seek', { row: 20 });
    await d.ask('disconnect', { terminateDebuggee: false });
    expect(d.isOver).toBe(true);
    expect(hashes[0]).toBeDefined();
    expect(hashes[1]).toBe(hashes[0]);
    expect(lineOf(d.driver('timer'), 'ticks++')).toBeGreaterThan(1);
  });
});
