/** What each request of the protocol gives, with values that follow from the drivers and from the architecture. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { StateNode } from '../../src/machine/inspect';
import { DebugErrorId } from '../../src/protocol/debug';
import { TraceStore, emptyMeta } from '../../src/trace/query/store';
import { hashOf } from '../../src/trace/record/hash';
import { Dialogue, lineOf, unoptimised } from '../support/debug/dialogue';
import { openControlled } from '../support/debug/open-run';
import { root } from '../support/runs';

const THREAD = { threadId: 1 };

interface StoppedBody {
  readonly reason: string;
  readonly description?: string;
  readonly threadId: number;
  readonly moment: { readonly instructions: number };
}

function stop(d: Dialogue): StoppedBody {
  const found = d.events.findLast(({ event }) => event === 'stopped');
  if (!found) throw new Error('The run has not stopped.');
  return found.body as StoppedBody;
}

async function stackOf(d: Dialogue, threadId = 1): Promise<DebugProtocol.StackFrame[]> {
  return (await d.ask<{ stackFrames: DebugProtocol.StackFrame[] }>('stackTrace', { threadId })).stackFrames;
}

async function variablesOf(d: Dialogue, variablesReference: number): Promise<DebugProtocol.Variable[]> {
  const body = await d.ask<{ variables: DebugProtocol.Variable[] }>('variables', { variablesReference });
  return body.variables;
}

/** Variables of a scope of the innermost frame. */
async function scope(
  d: Dialogue,
  name: string,
): Promise<{ reference: number; all: DebugProtocol.Variable[] }> {
  const [frame] = await stackOf(d);
  const { scopes } = await d.ask<{ scopes: DebugProtocol.Scope[] }>('scopes', { frameId: frame.id });
  const reference = scopes.find((each) => each.name === name)?.variablesReference ?? 0;
  return { reference, all: await variablesOf(d, reference) };
}

async function value(d: Dialogue, expression: string, frameId?: number): Promise<string> {
  return (await d.ask<{ result: string }>('evaluate', { expression, frameId, context: 'watch' })).result;
}

/** The timer driver in its handler, at its first tick. */
async function inHandler(attributes = {}, defines = { TICKS: 4 }): Promise<Dialogue> {
  const d = new Dialogue(openControlled());
  await d.launch('timer', { defines, attributes }, () => d.breakpoints('timer', { 'ticks++': {} }));
  return d;
}

describe('breakpoints', () => {
  it('on data name the CPU that writes, and the device', async () => {
    const d = new Dialogue(openControlled());
    await d.launch('b7-e1000-emulated', { defines: { PACKETS: 2 } }, () =>
      d.breakpoints('e1000', { 'sent < PACKETS && sent': {} }),
    );
    const info = await d.ask<{ dataId: string; accessTypes: string[] }>('dataBreakpointInfo', {
      name: 'tx_next',
    });
    expect(info.accessTypes).toEqual(['read', 'write', 'readWrite']);
    const status = await d.ask<{ dataId: string }>('dataBreakpointInfo', { name: 'rx_ring[0].status' });
    const { breakpoints } = await d.ask<{ breakpoints: DebugProtocol.Breakpoint[] }>('setDataBreakpoints', {
      breakpoints: [{ dataId: info.dataId }, { dataId: status.dataId, accessType: 'write' }],
    });
    expect(breakpoints).toMatchObject([{ verified: true }, { verified: true }]);
    await d.breakpoints('e1000', {});
    const seen: string[] = [];
    for (
      await d.ask('continue', THREAD);
      stop(d).reason === 'data breakpoint';
      await d.ask('continue', THREAD)
    )
      seen.push(stop(d).description ?? '');
    const fits = (pattern: RegExp): number => seen.findIndex((each) => pattern.test(each));
    // Both frames are sent, and the first comes back into the first descriptor by DMA, which the driver gives back then.
    const sent = fits(/vCPU 0 wrote 4 bytes at 0x[0-9a-f]+: 0x0 → 0x1/);
    const next = fits(/vCPU 0 wrote 4 bytes at 0x[0-9a-f]+: 0x1 → 0x2/);
    const arrived = fits(/e1000 wrote 16 bytes at .* by DMA; 1 byte at .*: 0x0 → 0x7/);
    const returned = fits(/vCPU 0 wrote 1 byte at .*: 0x7 → 0x0/);
    expect(sent).toBe(0);
    expect(next).toBeGreaterThan(sent);
    expect(arrived).toBeGreaterThan(sent);
    expect(returned).toBeGreaterThan(arrived);
    expect(seen.length).toBe(4);
    // Right behind the last access its writer is the last one, however often one asks; the change before is another one.
    await d.ask('reverseContinue', THREAD);
    const here = stop(d).moment;
    const target = { expression: 'rx_ring[0].status' };
    for (let count = 0; count < 2; count++) {
      expect(await d.ask('trapline/lastWriter', target)).toMatchObject({ who: 'vCPU 0', moment: here });
    }
    expect(await d.ask('trapline/previousChange', target)).toMatchObject({ who: 'e1000', isDevice: true });
  });

  it('on instructions stop before them, and columns choose a statement of a line', async () => {
    const d = await inHandler();
    const [frame] = await stackOf(d);
    const { instructions } = await d.ask<{ instructions: DebugProtocol.DisassembledInstruction[] }>(
      'disassemble',
      { memoryReference: frame.instructionPointerReference, instructionCount: 3, instructionOffset: 0 },
    );
    expect(BigInt(instructions[0].address)).toBe(BigInt(frame.instructionPointerReference ?? 0));
    // Each follows the one before it by as many bytes as that has.
    const lengthOf = (index: number): bigint =>
      BigInt((instructions[index].instructionBytes ?? '').split(' ').length);
    expect(BigInt(instructions[1].address)).toBe(BigInt(instructions[0].address) + lengthOf(0));
    expect(instructions[0]).toMatchObject({ line: frame.line, symbol: expect.stringMatching(/^on_tick/) });
    await d.ask('setInstructionBreakpoints', {
      breakpoints: [{ instructionReference: instructions[1].address }, { instructionReference: 'nowhere' }],
    });
    await d.ask('continue', THREAD);
    expect(stop(d).reason).toBe('instruction breakpoint');
    expect(BigInt((await stackOf(d))[0].instructionPointerReference ?? 0)).toBe(
      BigInt(instructions[1].address),
    );

    const path = d.driver('timer');
    const line = lineOf(path, 'while (ticks < TICKS)');
    const { breakpoints: places } = await d.ask<{ breakpoints: DebugProtocol.BreakpointLocation[] }>(
      'breakpointLocations',
      { source: { path }, line, endLine: line + 1 },
    );
    expect(places.length).toBeGreaterThan(1);
    const columns = places.filter((each) => each.line === line).map((each) => each.column ?? 0);
    // The condition, which is behind the word `while`, is worked out at each turn.
    const chosen = { column: Math.max(...columns) };
    const answer = await d.ask<{ breakpoints: DebugProtocol.Breakpoint[] }>('setBreakpoints', {
      source: { path },
      breakpoints: [{ line, column: chosen.column }],
    });
    expect(answer.breakpoints).toMatchObject([{ verified: true, line, column: chosen.column }]);
    await d.ask('setInstructionBreakpoints', { breakpoints: [] });
    await d.ask('continue', THREAD);
    expect((await stackOf(d))[0]).toMatchObject({ name: 'main', line, column: chosen.column });
  });
});

describe('values', () => {
  it('are set, in the past only when that is allowed, and the trace goes another way then', async () => {
    const store = new TraceStore(emptyMeta('past', 1));
    const hashes: (string | undefined)[] = [];
    const d = new Dialogue(
      openControlled((message) => {
        if (message.type === 'delta' || message.type === 'ended') store.append(message.delta);
        if (message.type === 'ended') hashes.push(message.end.meta.traceHash);
      }),
    );
    await d.launch('timer', { defines: { TICKS: 4 } }, () => d.breakpoints('timer', { 'ticks++': {} }));
    await d.ask('continue', THREAD);
    expect(await value(d, 'ticks')).toBe('1');
    // Nothing has been simulated beyond the frontier.
    expect(await d.ask('setExpression', { expression: 'ticks', value: '2' })).toMatchObject({ value: '2' });
    await d.breakpoints('timer', {});
    await d.ask('continue', THREAD);
    const rows = store.rows;
    await d.ask('trapline/seek', { row: 30 });
    await d.breakpoints('timer', { 'ticks++': {} });
    await d.ask('continue', THREAD);
    const before = await value(d, 'ticks');
    const refused = await d.tryTo('setExpression', { expression: 'ticks', value: '9' });
    expect(refused).toMatchObject({
      success: false,
      body: { error: { id: DebugErrorId.WouldDiscardFuture } },
    });
    expect(await value(d, 'ticks')).toBe(before);
    expect(await d.ask('trapline/hasFuture')).toEqual({ hasFuture: true });
    await d.ask('trapline/discardFuture', { confirmed: true });
    await d.ask('setExpression', { expression: 'ticks', value: '9' });
    expect(await d.ask('trapline/hasFuture')).toEqual({ hasFuture: false });
    await d.breakpoints('timer', {});
    await d.ask('continue', THREAD);
    expect(stop(d).reason).toBe('end');
    await d.ask('disconnect', {});
    // The loop is left at once with so many ticks: less is recorded, and what the listener holds is what was recorded.
    expect(store.rows).toBeLessThan(rows);
    expect(hashes).toEqual([hashOf(store)]);
  });

  it('of variables, registers and memory are read and written', async () => {
    const d = await inHandler();
    const globals = await scope(d, 'Globals');
    expect(globals.all.find(({ name }) => name === 'ticks')).toMatchObject({
      value: '0',
      memoryReference: expect.any(String),
    });
    await d.ask('setVariable', { variablesReference: globals.reference, name: 'ticks', value: '1 + 1' });
    expect(await value(d, 'ticks')).toBe('2');

    const memoryReference = await value(d, '&ticks').then((text) => /0x[0-9a-f]+/.exec(text)?.[0] ?? '');
    const read = await d.ask<{ data: string }>('readMemory', { memoryReference, count: 4 });
    expect([...Buffer.from(read.data, 'base64')]).toEqual([2, 0, 0, 0]);
    const data = Buffer.from([3, 0, 0, 0]).toString('base64');
    d.session.client = { ...d.session.client, supportsMemoryEvent: true };
    expect(await d.ask('writeMemory', { memoryReference, data })).toMatchObject({ bytesWritten: 4 });
    expect(d.events.findLast(({ event }) => event === 'memory')?.body).toEqual({
      memoryReference,
      offset: 0,
      count: 4,
    });
    expect(await value(d, 'ticks')).toBe('3');

    const registers = await scope(d, 'Registers');
    const group = async (name: string): Promise<DebugProtocol.Variable[]> =>
      variablesOf(d, registers.all.find((each) => each.name === name)?.variablesReference ?? 0);
    const general = registers.all.find(({ name }) => name === 'General')?.variablesReference ?? 0;
    const set = await d.ask('setVariable', { variablesReference: general, name: 'r15', value: '0x1234' });
    expect(set).toMatchObject({ value: '0x0000000000001234' });
    expect(await value(d, '$r15')).toMatch(/4660|0x1234/);

    const fields = async (name: string, inGroup: string): Promise<Record<string, string>> => {
      const row = (await group(inGroup)).find((each) => each.name === name);
      const found = await variablesOf(d, row?.variablesReference ?? 0);
      return Object.fromEntries(found.map((each) => [each.name, each.value]));
    };
    // A handler runs with interrupts off, in long mode: paging, protection and PAE on, long mode enabled and active (SDM vol. 3, 9.8.5).
    expect(await fields('rflags', 'Flags')).toMatchObject({ IF: '0', TF: '0', VM: '0' });
    expect(await fields('cr0', 'Control')).toMatchObject({ PE: '1', PG: '1' });
    expect(await fields('cr4', 'Control')).toMatchObject({ PAE: '1' });
    expect(await fields('efer', 'Control')).toMatchObject({ LME: '1', LMA: '1' });
  });

  it('are proposed as one types', async () => {
    const d = await inHandler();
    const [frame] = await stackOf(d);
    const { targets } = await d.ask<{ targets: DebugProtocol.CompletionItem[] }>('completions', {
      frameId: frame.id,
      text: '1 + tick',
      column: 9,
    });
    expect(targets).toContainEqual(
      expect.objectContaining({ label: 'ticks', start: 4, length: 4, type: 'variable' }),
    );
  });

  it('of the machine are told for another moment too', async () => {
    const d = await inHandler();
    const stackPointer = async (at?: object): Promise<string | undefined> => {
      const path = ['vm0', 'cpu0', 'General registers'];
      const { node } = await d.ask<{ node: StateNode }>('trapline/inspect', { path, ...(at && { at }) });
      const found = node.children?.find(({ name }) => name === 'RSP')?.value;
      return found?.kind === 'register' ? String(found.value) : undefined;
    };
    const before = await d.ask('trapline/moment');
    const here = await stackPointer();
    expect(BigInt(here ?? 0)).toBe(BigInt(await value(d, '(unsigned long)$rsp')));
    const there = await stackPointer({ instructions: 200 });
    expect(await d.ask('trapline/moment')).toEqual(before);
    await d.ask('trapline/seek', { instructions: 200 });
    expect(await stackPointer()).toBe(there);
    expect(there).not.toBe(here);
  });
});

describe('motions', () => {
  it('by instruction go on and back to the same instructions', async () => {
    const d = await inHandler();
    const rip = async (): Promise<string> => (await stackOf(d))[0].instructionPointerReference ?? '';
    const way: string[] = [await rip()];
    for (let count = 0; count < 6; count++) {
      await d.ask('stepIn', { ...THREAD, granularity: 'instruction' });
      expect(stop(d).reason).toBe('step');
      way.push(await rip());
    }
    expect(new Set(way).size).toBeGreaterThan(3);
    const back: string[] = [way[way.length - 1]];
    await d.breakpoints('timer', {});
    for (let count = 0; count < 6; count++) {
      await d.ask('stepBack', { ...THREAD, granularity: 'instruction' });
      back.unshift(await rip());
    }
    expect(back).toEqual(way);
  });

  it('through code with functions inlined come to the end by its lines', async () => {
    const d = new Dialogue(openControlled());
    const file = unoptimised('timer', { TICKS: 2 }, (scenario) => {
      for (const { guest } of scenario['vms'] as { guest: Record<string, unknown> }[])
        guest['optimize'] = '2';
    });
    await d.launch('timer', { file }, async () => {
      await d.say('setFunctionBreakpoints', { breakpoints: [{ name: 'main' }] });
    });
    const lines: number[] = [];
    for (let count = 0; count < 40 && stop(d).reason !== 'end'; count++) {
      const [frame] = await stackOf(d);
      if (frame.source?.name === 'timer.c' && frame.name.startsWith('main')) lines.push(frame.line);
      await d.ask('next', THREAD);
    }
    expect(stop(d).reason).toBe('end');
    // The call behind the loop is no part of it: every way through main comes by, and after the loop.
    const path = d.driver('timer');
    const printed = lines.indexOf(lineOf(path, 'tl_printf("%u ticks'));
    expect(printed).toBeGreaterThan(0);
    expect(lines.slice(0, printed)).toContain(lineOf(path, 'tl_timer_stop'));
  });

  it('begin anew with a restart, with the breakpoints that were set', async () => {
    const d = await inHandler();
    const { moment } = stop(d);
    await d.ask('continue', THREAD);
    expect(await value(d, 'ticks')).toBe('1');
    await d.ask('restart', {});
    expect(stop(d)).toMatchObject({ reason: 'breakpoint', moment });
    expect(await value(d, 'ticks')).toBe('0');
  });
});

describe('two VMs', () => {
  it('are two modules with a thread each, and stop at the same line each by itself', async () => {
    const d = new Dialogue(openControlled());
    const file = unoptimised('timer', { TICKS: 2 }, (scenario) => {
      const vms = scenario['vms'] as { name: string }[];
      vms.push({ ...vms[0], name: 'other' });
    });
    await d.launch('timer', { file, attributes: { vm: 'other', stopOnEntry: true } });
    expect(stop(d)).toMatchObject({ reason: 'entry', threadId: 2 });
    const { threads } = await d.ask<{ threads: DebugProtocol.Thread[] }>('threads');
    expect(threads).toMatchObject([
      { id: 1, name: 'vm0 vCPU 0' },
      { id: 2, name: 'other vCPU 0' },
    ]);
    const { modules } = await d.ask<{ modules: DebugProtocol.Module[] }>('modules');
    expect(modules.map(({ name }) => name.split(':')[0])).toEqual(['vm0', 'other']);
    await d.breakpoints('timer', { 'ticks++': {} });
    const seen: string[] = [];
    for (await d.ask('continue', THREAD); stop(d).reason === 'breakpoint'; await d.ask('continue', THREAD)) {
      const { threadId } = stop(d);
      const [frame] = await stackOf(d, threadId);
      seen.push(`${threadId} ${await value(d, 'ticks', frame.id)}`);
    }
    // Two ticks of each, counted by each for itself.
    expect(seen.sort()).toEqual(['1 0', '1 1', '2 0', '2 1']);
    const texts = d.events
      .filter(({ event }) => event === 'output')
      .map(({ body }) => (body as DebugProtocol.OutputEvent['body']).output);
    expect(texts.some((text) => text.startsWith('[other] '))).toBe(true);
  });
});

describe('a launch', () => {
  it('finds the scenario of a program, and begins where it is asked to', async () => {
    const d = new Dialogue(openControlled());
    await d.ask('initialize', { adapterID: 'trapline' });
    await d.ask('launch', { program: d.driver('timer'), at: { instructions: 1234 } });
    await d.ask('configurationDone');
    expect(stop(d)).toMatchObject({ reason: 'goto', moment: { instructions: 1234 } });
  });

  it('ends with the run where it is not to stop there', async () => {
    const d = new Dialogue(openControlled());
    await d.launch('timer', { defines: { TICKS: 1 }, attributes: { stopAtEnd: false } });
    expect(d.events.some(({ event }) => event === 'stopped')).toBe(false);
    expect(d.events.slice(-2).map(({ event }) => event)).toEqual(['exited', 'terminated']);
    expect(d.isOver).toBe(true);
  });
});

describe('calls of one line', () => {
  const SOURCE = [
    '#include "trapline.h"',
    'static volatile int turns;',
    'static __attribute__((noinline)) int first(int x) { turns += x; return x + 1; }',
    'static __attribute__((noinline)) int second(int x) { turns -= x; return x * 2; }',
    'static int (*volatile through)(int) = first;',
    'int main(void)',
    '{',
    '    int sum = first(1) + second(2) + through(3);',
    '    if (sum == 0 && second(5)) turns = 9;',
    '    turns = sum;',
    '    return 0;',
    '}',
    '',
  ].join('\n');

  async function atSum(): Promise<{ d: Dialogue; frameId: number }> {
    const folder = mkdtempSync(join(tmpdir(), 'trapline-calls-'));
    writeFileSync(join(folder, 'calls.c'), SOURCE);
    const scenario = join(folder, 'calls.trapline.json');
    const guest = { sources: ['calls.c'], optimize: '0' };
    writeFileSync(
      scenario,
      JSON.stringify({ title: 'Calls', vms: [{ name: 'vm0', guest }], stop: { afterMs: 5 } }),
    );
    const d = new Dialogue(openControlled());
    await d.ask('initialize', { adapterID: 'test' });
    await d.ask('launch', { scenario });
    await d.ask('setBreakpoints', {
      source: { path: join(folder, 'calls.c') },
      breakpoints: [{ line: SOURCE.slice(0, SOURCE.indexOf('int sum')).split('\n').length }],
    });
    await d.ask('configurationDone');
    const [frame] = await stackOf(d);
    expect(frame.name).toBe('main');
    return { d, frameId: frame.id };
  }

  it('are each stepped into as it is chosen', async () => {
    for (const [chosen, entered, argument] of [
      ['first', 'first', '1'],
      ['second', 'second', '2'],
      ['through a pointer', 'first', '3'],
    ]) {
      const { d, frameId } = await atSum();
      const { targets } = await d.ask<{ targets: DebugProtocol.StepInTarget[] }>('stepInTargets', {
        frameId,
      });
      expect(targets.map(({ label }) => label)).toEqual(['first', 'second', 'through a pointer']);
      const targetId = targets.find(({ label }) => label === chosen)?.id;
      await d.ask('stepIn', { ...THREAD, targetId });
      const [frame] = await stackOf(d);
      expect(frame.name).toBe(entered);
      expect(await value(d, 'x', frame.id)).toBe(argument);
      // The number is of a moment that has been left.
      await expect(d.ask('stepIn', { ...THREAD, targetId })).rejects.toThrow('has left');
    }
  });

  it('that are not made leave the step where one over the line ends', async () => {
    const { d } = await atSum();
    await d.ask('next', THREAD);
    const [{ id: frameId }] = await stackOf(d);
    const { targets } = await d.ask<{ targets: DebugProtocol.StepInTarget[] }>('stepInTargets', { frameId });
    expect(targets.map(({ label }) => label)).toEqual(['second']);
    await d.ask('stepIn', { ...THREAD, targetId: targets[0].id });
    const [frame] = await stackOf(d);
    expect(frame).toMatchObject({
      name: 'main',
      line: SOURCE.slice(0, SOURCE.indexOf('turns = sum')).split('\n').length,
    });
  });
});

describe('code without source', () => {
  it('is a text of its own, in which the frame stands at its instruction', async () => {
    const d = new Dialogue(openControlled());
    await d.launch('timer', { attributes: { stopOnEntry: true } });
    // A program's own memory as code: what stands there has no lines.
    const program = d.opened?.debuggee.programs[0];
    if (!program) throw new Error('no program');
    const lookup = vi.spyOn(program, 'lookup').mockReturnValue(undefined);
    try {
      await d.ask('next', { ...THREAD, granularity: 'instruction' });
      const [frame] = await stackOf(d);
      const reference = frame.source?.sourceReference ?? 0;
      expect(reference).toBeGreaterThan(0);
      const { content } = await d.ask<{ content: string }>('source', { sourceReference: reference });
      const line = content.split('\n')[frame.line - 1];
      expect(line).toMatch(new RegExp(`^${frame.instructionPointerReference}  `));
      const { instructions } = await d.ask<{ instructions: DebugProtocol.DisassembledInstruction[] }>(
        'disassemble',
        { memoryReference: frame.instructionPointerReference, instructionCount: 1, instructionOffset: 0 },
      );
      expect(line).toContain(instructions[0].instruction);
      await expect(d.ask('source', { sourceReference: reference + 100 })).rejects.toThrow('no listing');
    } finally {
      lookup.mockRestore();
    }
  });
});

describe('breakpoints that are set before there is a run', () => {
  it('are told of once it is known where they lie', async () => {
    const d = new Dialogue(openControlled());
    await d.ask('initialize', { adapterID: 'test' });
    const source = { path: join(root, 'media/workspace/drivers/timer.c') };
    const line = lineOf(source.path, 'ticks++');
    const { breakpoints } = await d.ask<{ breakpoints: DebugProtocol.Breakpoint[] }>('setBreakpoints', {
      source,
      breakpoints: [{ line }],
    });
    expect(breakpoints).toMatchObject([{ verified: false }]);
    await d.ask('launch', { scenario: unoptimised('timer', { TICKS: 2 }) });
    const told = d.events.filter(({ event }) => event === 'breakpoint');
    expect(told.map(({ body }) => body as object)).toMatchObject([
      { reason: 'changed', breakpoint: { id: breakpoints[0].id, verified: true, line } },
    ]);
    await d.ask('configurationDone');
    expect(stop(d)).toMatchObject({ reason: 'breakpoint' });
    // Nothing has changed for another run of the same guests.
    await d.ask('restart', {});
    expect(d.events.filter(({ event }) => event === 'breakpoint')).toEqual(told);
  });
});
