import { describe, expect, it } from 'vitest';
import { evaluateExpectations } from '../../../src/scenario/expectations';
import { figurePaths, readFigure } from '../../../src/scenario/figures';
import { sampleSummary } from './summary-sample';

const summary = sampleSummary();

describe('readFigure', () => {
  it.each([
    ['guestInstructions', 1001],
    ['exits.EPT_MISCONFIG', 1002],
    ['userExits', 1004],
    ['interrupts.handled', 1008],
    ['iommu.walkReferences', 1012],
    ['packets.dropped', 1016],
    ['cycles', 2_900_000],
    ['simulatedSeconds', 0.001],
    ['events', 7],
    ['traceHash', '0123456789abcdef'],
    ['vms.vm0.exits.HLT', 2003],
    ['vms.vm0.exitCode', 0],
    ['vms.vm1.packets.rx', 3015],
  ])('%s', (path, value) => expect(readFigure(summary, path)).toBe(value));

  it('is 0 for an exit reason that did not occur', () => {
    expect(readFigure(summary, 'exits.TRIPLE_FAULT')).toBe(0);
    expect(readFigure(summary, 'vms.vm1.exits.VMCALL')).toBe(0);
  });

  it.each([
    ['exits.NO_SUCH_REASON'],
    ['exits'],
    ['exits.constructor'],
    ['__proto__'],
    ['vms.vm2.exits.HLT'],
    ['vms.vm1.exitCode'],
    ['vms.vm0.cycles'],
    ['wallSeconds'],
    [''],
  ])('knows no figure %s', (path) => expect(readFigure(summary, path)).toBeUndefined());

  it('finds every path that figurePaths offers', () => {
    const paths = figurePaths(['vm0']);
    expect(paths).toContain('vms.vm0.interrupts.injected');
    expect(paths.filter((path) => readFigure(summary, path) === undefined)).toEqual([]);
  });
});

describe('evaluateExpectations', () => {
  const held = (
    expectation: Parameters<typeof evaluateExpectations>[0][string],
    figure = 'exits.EPT_MISCONFIG',
  ) => evaluateExpectations({ [figure]: expectation }, summary)[0];

  it('exact numbers and strings', () => {
    expect(held(1002)).toEqual({ figure: 'exits.EPT_MISCONFIG', expected: '1002', actual: 1002, held: true });
    expect(held(1001).held).toBe(false);
    expect(held('0123456789abcdef', 'traceHash').held).toBe(true);
    expect(held('0123456789abcdee', 'traceHash').held).toBe(false);
    expect(held('1002').held).toBe(false);
  });

  it('bounds, each of them inclusive', () => {
    expect(held({ atLeast: 1002 }).held).toBe(true);
    expect(held({ atLeast: 1003 }).held).toBe(false);
    expect(held({ atMost: 1002 }).held).toBe(true);
    expect(held({ atMost: 1001 }).held).toBe(false);
    expect(held({ equals: 1002 }).held).toBe(true);
    expect(held({ equals: 3 }).held).toBe(false);
    expect(held({ atLeast: 1000, atMost: 1001 })).toMatchObject({
      expected: 'at least 1000 and at most 1001',
      held: false,
    });
    expect(held({ atLeast: 0 }, 'traceHash').held).toBe(false);
  });

  it('does not hold for a figure that does not exist, not even an upper bound', () => {
    expect(held({ atMost: 5 }, 'vms.vm1.exitCode')).toMatchObject({ actual: null, held: false });
  });

  it('keeps the order of the file', () => {
    const results = evaluateExpectations({ 'packets.rx': 1, 'packets.tx': 1014, userExits: 1 }, summary);
    expect(results.map(({ figure, held: ok }) => [figure, ok])).toEqual([
      ['packets.rx', false],
      ['packets.tx', true],
      ['userExits', false],
    ]);
  });
});
