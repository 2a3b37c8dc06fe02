/**
 * Rows of the table that only the interpreter executes in place, as lines of its AssemblyScript: branches, whose second tier
 * is the shape of a region (`jit/compile.ts`), and operations that the second tier leaves to the interpreter. What the lines
 * may name is described at `interpreterSource`; `break` leaves the operation to the general path with nothing done.
 */
import { CONDITIONS, type Bits, type Operation } from './definition';

const R1 = 'cpu + <i32>load<u16>(pc, U_R1)';
const R2 = 'cpu + <i32>load<u16>(pc, U_R2)';
const IMMEDIATE = 'load<i64>(pc, U_IMM)';
const CHARGE = 'B -= load<i64>(pc, U_COST);';
/** The micro-op has retired. */
export const NEXT: readonly string[] = [CHARGE, 'pc += UOP_SIZE;', 'continue;'];
const GO: readonly string[] = [CHARGE, 'pc = to;', 'continue;'];
const OR_LEAVE = 'if (!at) break;';
const OR_UNKNOWN = 'if (!to) break;';

/** Class CC and shift of a size, as C_CC has them. */
function kind(name: string, bits: Bits): string {
  return `CC_${name} | ${64 - bits}`;
}

/** A sign-extended load. */
export function signedLoad(at: string, bits: Bits): string {
  return bits === 64 ? `load<i64>(${at})` : `<i64>load<i${bits}>(${at})`;
}

/** A zero-extended load. */
export function unsignedLoad(at: string, bits: Bits): string {
  return bits === 64 ? `load<i64>(${at})` : `<i64>load<u${bits}>(${at})`;
}

/** A store to a register, at 32 bits with the upper half cleared. */
export function registerStore(at: string, bits: Bits, value: string): string {
  if (bits === 64) return `store<i64>(${at}, ${value});`;
  return bits === 32 ? `store<i64>(${at}, <i64><u32>(${value}));` : memoryStore(at, bits, value);
}

export function memoryStore(at: string, bits: Bits, value: string): string {
  return bits === 64 ? `store<i64>(${at}, ${value});` : `store<u${bits}>(${at}, <u${bits}>(${value}));`;
}

const SIZES = [64, 32] as const;

function access(name: 'readable' | 'writable', address: string, bits: Bits): string[] {
  return [`const at = ${name}(mmu, ${address}, ${bits / 8});`, OR_LEAVE];
}

/** ADC and SBB to a register. */
function withCarry(name: 'ADC' | 'SBB', operator: string): Operation[] {
  return SIZES.flatMap((bits) =>
    (['R', 'I', 'M'] as const).map((form) => ({
      name: `${name}_R${form}${bits}`,
      interpreted: [
        ...(form === 'M' ? access('readable', 'address(cpu, pc)', bits) : []),
        `const first = ${R1};`,
        `const x = ${signedLoad('first', bits)};`,
        `const y = ${form === 'I' ? IMMEDIATE : signedLoad(form === 'M' ? 'at' : R2, bits)};`,
        `const r = x ${operator} y ${operator} carryOf(cc, a, b);`,
        registerStore('first', bits, 'r'),
        `a = ${name.toLowerCase()}Flags(x, y, r, ${64 - bits});`,
        'b = 0;',
        'cc = CC_RAW;',
        ...NEXT,
      ],
    })),
  );
}

/** Shifts by 1 whose overflow flag comes out clear, and by CL where it is not defined. */
function shifts(bits: Bits): Operation[] {
  const mask = bits - 1;
  const keep = (carry: string): string[] => ['b = 0;', `cc = ${kind('INC', bits)} | ((${carry}) << 8);`];
  const byCl = (name: string, least: number, load: string, carry: string, result: string): Operation => ({
    name: `${name}_RC${bits}`,
    interpreted: [
      `const n = <i64>(load<u8>(cpu, 8) & ${mask});`,
      `if (n < ${least}) break;`,
      `const first = ${R1};`,
      `const v = ${load};`,
      `a = ${result};`,
      ...keep(`(v >> ${carry}) & 1`),
      registerStore('first', bits, 'a'),
      ...NEXT,
    ],
  });
  const signed = signedLoad('first', bits);
  const unsigned = unsignedLoad('first', bits);
  return [
    {
      name: `SHL1_R${bits}`,
      interpreted: [
        `const first = ${R1};`,
        `const v = ${signed};`,
        `const r = ${bits === 64 ? 'v << 1' : '<i64><i32>(v << 1)'};`,
        'if ((r ^ v) < 0) break;',
        'a = r;',
        ...keep('v < 0 ? 1 : 0'),
        registerStore('first', bits, 'r'),
        ...NEXT,
      ],
    },
    {
      name: `SHR1_R${bits}`,
      interpreted: [
        `const first = ${R1};`,
        `const v = ${signed};`,
        'if (v < 0) break;',
        'a = v >> 1;',
        ...keep('v & 1'),
        registerStore('first', bits, 'a'),
        ...NEXT,
      ],
    },
    byCl('SHL', 2, unsigned, `(${bits} - n)`, bits === 64 ? 'v << n' : '<i64><i32>(v << n)'),
    byCl('SHR', 2, unsigned, '(n - 1)', '<i64>(<u64>v >> <u64>n)'),
    byCl('SAR', 1, signed, '(n - 1)', 'v >> n'),
  ];
}

const products: Operation[] = [
  {
    name: 'MUL_R32',
    interpreted: [
      `const r = <i64>load<u32>(cpu) * <i64>load<u32>(${R1});`,
      'const high = <i64>(<u64>r >> 32);',
      'store<i64>(cpu, r & 0xffffffff);',
      'store<i64>(cpu, high, 16);',
      'a = <i64><i32>r;',
      'b = 0;',
      'cc = CC_SUB | 32;',
      'if (high) {',
      '  a = lowFlags(a) | FLAG_CF | FLAG_OF;',
      '  cc = CC_RAW;',
      '}',
      ...NEXT,
    ],
  },
  {
    name: 'DIV_R32',
    interpreted: [
      `const d = <u64>load<u32>(${R1});`,
      'const n = <u64>load<u32>(cpu) | (<u64>load<u32>(cpu, 16) << 32);',
      'if (<u64>load<u32>(cpu, 16) >= d) break;',
      'store<u64>(cpu, n / d);',
      'store<u64>(cpu, n % d, 16);',
      ...NEXT,
    ],
  },
  {
    name: 'DIV_R64',
    interpreted: [
      `const d = load<u64>(${R1});`,
      'if (load<i64>(cpu, 16) || !d) break;',
      'const n = load<u64>(cpu);',
      'store<u64>(cpu, n / d);',
      'store<u64>(cpu, n % d, 16);',
      ...NEXT,
    ],
  },
];

const swaps: Operation[] = [
  {
    name: 'BSWAP_R64',
    interpreted: [`const first = ${R1};`, 'store<i64>(first, bswap<i64>(load<i64>(first)));', ...NEXT],
  },
  {
    name: 'BSWAP_R32',
    interpreted: [
      `const first = ${R1};`,
      'store<i64>(first, <i64><u32>bswap<u32>(load<u32>(first)));',
      ...NEXT,
    ],
  },
];

/** XCHG, XADD and CMPXCHG with memory; BT of a register. */
function exchanges(bits: Bits): Operation[] {
  const memory = [...access('writable', 'address(cpu, pc)', bits), `const second = ${R2};`];
  const bit = (form: 'R' | 'I', index: string): Operation => ({
    name: `BT_R${form}${bits}`,
    interpreted: [
      `const bit = (load<i64>(${R1}) >> (${index} & ${bits - 1})) & 1;`,
      'const kind = cc & CC_CLASS;',
      // The other flags stay as they are, which not every class can keep beside another carry.
      'if (kind == CC_INC) cc = (cc & ~CC_CARRY) | (bit << 8);',
      'else if (kind == CC_SUB && b >= 0) cc = (cc & 63) | CC_INC | (bit << 8);',
      'else if (kind == CC_RAW) a = (a & ~FLAG_CF) | bit;',
      'else break;',
      ...NEXT,
    ],
  });
  return [
    {
      name: `XCHG_MR${bits}`,
      interpreted: [
        ...memory,
        `const x = ${signedLoad('at', bits)};`,
        memoryStore('at', bits, signedLoad('second', bits)),
        registerStore('second', bits, 'x'),
        ...NEXT,
      ],
    },
    {
      name: `XADD_MR${bits}`,
      interpreted: [
        ...memory,
        `const x = ${signedLoad('at', bits)};`,
        `b = ${signedLoad('second', bits)};`,
        'a = x;',
        `cc = ${kind('ADD', bits)};`,
        registerStore('second', bits, 'x'),
        memoryStore('at', bits, 'x + b'),
        ...NEXT,
      ],
    },
    {
      name: `CMPXCHG_MR${bits}`,
      interpreted: [
        ...memory,
        `a = ${signedLoad('cpu', bits)};`,
        `b = ${signedLoad('at', bits)};`,
        `cc = ${kind('SUB', bits)};`,
        'if (a == b) {',
        `  ${memoryStore('at', bits, signedLoad('second', bits))}`,
        '} else {',
        `  ${registerStore('cpu', bits, 'b')}`,
        '}',
        ...NEXT,
      ],
    },
    bit('R', `load<i64>(${R2})`),
    bit('I', IMMEDIATE),
  ];
}

const flagsOfTheSystem: Operation[] = [
  {
    name: 'CLI',
    interpreted: [
      'if (load<i32>(cpu, C_CPL)) break;',
      'store<i64>(cpu, load<i64>(cpu, C_FLAGS) & ~FLAG_IF, C_FLAGS);',
      ...NEXT,
    ],
  },
  {
    name: 'STI',
    interpreted: [
      'if (load<i32>(cpu, C_CPL) | load<i32>(cpu, C_WINDOW)) break;',
      'const flags = load<i64>(cpu, C_FLAGS);',
      'if (!(flags & FLAG_IF)) {',
      '  store<i64>(cpu, flags | FLAG_IF, C_FLAGS);',
      '  store<f64>(cpu, load<f64>(cpu, C_RETIRED) + <f64>(0xffffffff - <u32>B) + 1, C_SHADOW);',
      '}',
      ...NEXT,
    ],
  },
];

/** Operations that the second tier leaves to the interpreter. */
export const interpretedOnly: readonly Operation[] = [
  ...withCarry('ADC', '+'),
  ...withCarry('SBB', '-'),
  ...SIZES.flatMap(shifts),
  ...products,
  ...swaps,
  {
    name: 'PUSH_M',
    interpreted: [
      'const from = readable(mmu, address(cpu, pc), 8);',
      'if (!from) break;',
      'const top = load<i64>(cpu, RSP) - 8;',
      ...access('writable', 'top', 64),
      'store<i64>(at, load<i64>(from));',
      'store<i64>(cpu, top, RSP);',
      ...NEXT,
    ],
  },
  ...flagsOfTheSystem,
  ...SIZES.flatMap(exchanges),
];

/** Pushes the return address; `to` is known by then. */
function pushReturn(address: string): string[] {
  return [
    'const top = load<i64>(cpu, RSP) - 8;',
    ...access('writable', 'top', 64),
    `store<i64>(at, ${address});`,
    'store<i64>(cpu, top, RSP);',
  ];
}

/** Branches to fixed places and the conditional ones. */
export const controls: readonly Operation[] = [
  { name: 'JMP', interpreted: ['const to = target(mmu, pc);', OR_UNKNOWN, ...GO] },
  // The end of a block is no instruction: nothing is charged.
  {
    name: 'GOTO',
    interpreted: [`const to = cachedJump(mmu, ${IMMEDIATE});`, OR_UNKNOWN, 'pc = to;', 'continue;'],
  },
  {
    name: 'CALL',
    interpreted: ['const to = target(mmu, pc);', OR_UNKNOWN, ...pushReturn('load<i64>(pc, U_DISP)'), ...GO],
  },
  {
    name: 'RET',
    interpreted: [
      'const top = load<i64>(cpu, RSP);',
      ...access('readable', 'top', 64),
      'const to = cachedJump(mmu, load<i64>(at));',
      OR_UNKNOWN,
      `store<i64>(cpu, top + 8 + ${IMMEDIATE}, RSP);`,
      ...GO,
    ],
  },
  ...CONDITIONS.map((condition): Operation => ({
    name: `J${condition}`,
    interpreted: [
      ...conditionLines(condition),
      'if (!holds) {',
      ...NEXT.map((line) => `  ${line}`),
      '}',
      'const to = target(mmu, pc);',
      OR_UNKNOWN,
      ...GO,
    ],
  })),
];

/** Indirect branches. */
export const calls: readonly Operation[] = [
  { name: 'JMP_R', interpreted: [`const to = cachedJump(mmu, load<i64>(${R1}));`, OR_UNKNOWN, ...GO] },
  {
    name: 'JMP_M',
    interpreted: [
      ...access('readable', 'address(cpu, pc)', 64),
      'const to = cachedJump(mmu, load<i64>(at));',
      OR_UNKNOWN,
      ...GO,
    ],
  },
  {
    name: 'CALL_R',
    interpreted: [
      `const to = cachedJump(mmu, load<i64>(${R1}));`,
      OR_UNKNOWN,
      ...pushReturn('load<i64>(pc, U_DISP)'),
      ...GO,
    ],
  },
  {
    name: 'CALL_M',
    interpreted: [
      'const from = readable(mmu, address(cpu, pc), 8);',
      'if (!from) break;',
      'const to = cachedJump(mmu, load<i64>(from));',
      OR_UNKNOWN,
      ...pushReturn('load<i64>(pc, U_RIP) + <i64>load<u8>(pc, U_LEN)'),
      ...GO,
    ],
  },
];

/** Sets `holds`, or leaves the operation to the general path for flags of a class that it alone can judge. */
export function conditionLines(condition: (typeof CONDITIONS)[number]): string[] {
  switch (condition) {
    case 'B':
      return ['const holds: bool = carryOf(cc, a, b) != 0;'];
    case 'AE':
      return ['const holds: bool = carryOf(cc, a, b) == 0;'];
    case 'E':
    case 'NE': {
      const equal = condition === 'E' ? '==' : '!=';
      const set = condition === 'E' ? '!=' : '==';
      return [
        'let holds = false;',
        `if (!(cc & CC_ADD)) holds = a ${equal} b;`,
        `else if (!(cc & CC_INC)) holds = (a + b) << cc ${equal} 0;`,
        `else holds = (a & FLAG_ZF) ${set} 0;`,
      ];
    }
    case 'BE':
      return ['if (cc & CC_CLASS) break;', 'const holds: bool = <u64>a <= <u64>b;'];
    case 'A':
      return ['if (cc & CC_CLASS) break;', 'const holds: bool = <u64>a > <u64>b;'];
    case 'S':
      return ['if (cc & CC_ADD) break;', 'const holds: bool = (a - b) << cc < 0;'];
    case 'NS':
      return ['if (cc & CC_ADD) break;', 'const holds: bool = (a - b) << cc >= 0;'];
    case 'L':
      return ['if (cc & CC_ADD) break;', 'const holds: bool = a < b;'];
    case 'GE':
      return ['if (cc & CC_ADD) break;', 'const holds: bool = a >= b;'];
    case 'LE':
      return ['if (cc & CC_ADD) break;', 'const holds: bool = a <= b;'];
    case 'G':
      return ['if (cc & CC_ADD) break;', 'const holds: bool = a > b;'];
  }
}
