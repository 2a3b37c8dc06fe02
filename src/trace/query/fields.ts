/** The fields of the query language: the one table that parser, completion, help, reference and messages read. */

/**
 * What a field's values are: `text` in which * stands for anything; a `number` or range; a `time` is one with a unit; `event`: the number
 * of a row, or a query in parentheses.
 */
export type FieldValues = 'text' | 'number' | 'time' | 'event';

export interface QueryFieldSpec {
  values: FieldValues;
  /** What it asks, as the end of “events whose …”. */
  meaning: string;
  /** Whole terms. */
  examples: readonly string[];
  /** Other names for it. */
  also?: readonly string[];
}

const field = (
  values: FieldValues,
  meaning: string,
  examples: readonly string[],
  also: readonly string[] = [],
): QueryFieldSpec => ({ values, meaning, examples, ...(also.length > 0 && { also }) });

/** In the order in which readers look for them. */
export const queryFields = {
  exit: field('text', 'reason of a VM exit', ['exit:EPT_MISCONFIG', 'exit:*'], ['reason']),
  kind: field('text', 'kind, or the beginning of its name up to a dot', ['kind:mmio.write', 'kind:mmio']),
  group: field('text', 'family of kinds', ['group:interrupt', 'group:exit,leg']),
  dur: field('time', 'duration', ['dur>5us', 'dur:1us..5us'], ['duration']),
  time: field('time', 'start', ['time>1.2ms', 'time:1ms..2ms'], ['start']),
  fn: field(
    'text',
    'function of the instruction that it came from',
    ['fn:e1000_xmit', 'fn:e1000_*'],
    ['function', 'symbol'],
  ),
  file: field('text', 'source file, or the end of its path', ['file:e1000.c']),
  line: field('number', 'source line', ['line:142', 'line:100..180']),
  rip: field(
    'text',
    'address of the instruction that it came from',
    ['rip:0x100f3a', 'rip:0x100f*'],
    ['instruction'],
  ),
  reg: field(
    'text',
    'register accessed, by name or offset; where the query names kinds, exits about it, too',
    ['reg:TDT', 'exit:EPT_MISCONFIG reg:0x3818'],
    ['register'],
  ),
  addr: field(
    'number',
    'memory address: any that the event is about',
    ['addr:0x1000..0x1fff', 'addr:0x123456000'],
    ['address'],
  ),
  vector: field('number', 'interrupt vector', ['vector:0x2b', 'vector:0x20..0x2f']),
  packet: field('number', 'number of a packet', ['packet:12']),
  track: field('text', 'track, by a part of its name', ['track:e1000', 'track:"vCPU 0"']),
  vm: field('text', 'VM, by number or name, or another heading of the timeline', ['vm:0', 'vm:host']),
  vcpu: field('number', 'virtual CPU, by number', ['vcpu:0']),
  cpu: field('number', 'physical CPU, by number', ['cpu:1'], ['pcpu']),
  a: field('number', 'first argument', ['a:0x10']),
  b: field('number', 'second argument', ['b>64']),
  row: field('number', 'number in the trace', ['row:1200..1300'], ['event']),
  cause: field('event', 'direct cause is an event', ['cause:1200', 'cause:(kind:mmio.write reg:TDT)']),
  from: field('event', 'causes lead back to an event, which counts itself', [
    'from:1200',
    'from:(exit:HLT vcpu:1)',
  ]),
  within: field('event', 'start lies within a span of the same vCPU, device or thread', [
    'within:(handler vector:0x2b)',
  ]),
  in: field('text', 'causes lead back into a function: short for from:(fn:…)', ['in:e1000_xmit']),
} as const satisfies Record<string, QueryFieldSpec>;
export type QueryField = keyof typeof queryFields;

export const queryFieldNames = Object.keys(queryFields) as readonly QueryField[];

/** A field's row, without the narrow types of the table. */
export function fieldSpec(name: QueryField): QueryFieldSpec {
  return queryFields[name];
}

const byName: ReadonlyMap<string, QueryField> = new Map(
  queryFieldNames.flatMap((name) => [name, ...(fieldSpec(name).also ?? [])].map((each) => [each, name])),
);

/** The field of a name or another name for it, in any case of letters. */
export function fieldNamed(name: string): QueryField | undefined {
  return byName.get(name.toLowerCase());
}

/** What is written between terms and values rather than in them, for help and reference. */
export const queryGrammar: readonly (readonly [example: string, meaning: string])[] = [
  ['exit:HLT dur>5us', 'both hold'],
  ['exit:HLT,CPUID', 'one of several values'],
  ['exit:HLT or kind:irq.inject', 'one of two holds; “or” binds less than standing side by side'],
  ['(exit:HLT or dur>1ms) vm:1', 'parentheses'],
  ['-exit:HLT', 'does not hold; also “not exit:HLT”, and before parentheses'],
  ['mmio', 'a word alone: part of the name of the kind'],
  ['fn:e1000_*', 'in texts * stands for anything; field:* asks that there is one'],
  ['line:100..180', 'a range with both its ends; one of them may be left out: dur:5us..'],
  ['dur>=5us', 'numbers compare with : > < >= <='],
  ['track:"vCPU 0"', 'quotation marks hold spaces together'],
  ['virtq.kick queue:1', 'arguments of events by the names that their kinds give them'],
];

/** Units of time that times may have, by how many make a second; a number without one is in cycles. */
export const queryTimeUnits: Readonly<Record<string, number>> = {
  s: 1,
  ms: 1e3,
  us: 1e6,
  µs: 1e6,
  μs: 1e6,
  ns: 1e9,
};
