/**
 * The general operations (field U_OP of a micro-op): one covers all operand forms and sizes of an instruction, and reaches its
 * one definition in `core/operations/exec-*.ts`. Their numbers are their positions here, from 0 on; the core compares ranges
 * of them, so that the order within a group of shifts, of BMI and of string instructions matters. Which mnemonics lead to an
 * operation, and at what cost, is in `decode/decode-tables.ts`.
 */

/** Operations that are done alike: what the core calls for them (`operation` is the number), and their names. */
interface Group {
  readonly does: string;
  readonly names: readonly string[];
}

const GROUPS = [
  // no instructions: `step` has them
  { does: '', names: ['RESOLVE', 'BREAK', 'CROSS'] },
  // U_IMM is its mnemonic: #UD, and noted
  { does: 'system.execMissing(cpu, pc)', names: ['MISSING'] },
  { does: 'fault(VECTOR_UD)', names: ['UD'] },
  { does: 'data.execMov(cpu, pc)', names: ['MOV'] },
  {
    does: 'data.execBinary(cpu, pc, operation)',
    names: ['ADD', 'OR', 'ADC', 'SBB', 'AND', 'SUB', 'XOR', 'CMP', 'TEST'],
  },
  { does: 'data.execUnary(cpu, pc, operation)', names: ['INC', 'DEC', 'NEG', 'NOT'] },
  { does: 'data.execShift(cpu, pc, operation)', names: ['ROL', 'ROR', 'RCL', 'RCR', 'SHL', 'SHR', 'SAR'] },
  { does: 'data.execDoubleShift(cpu, pc, true)', names: ['SHLD'] },
  { does: 'data.execDoubleShift(cpu, pc, false)', names: ['SHRD'] },
  { does: 'data.execMultiply(cpu, pc, operation)', names: ['MUL', 'IMUL1'] },
  { does: 'data.execDivide(cpu, pc, operation)', names: ['DIV', 'IDIV'] },
  { does: 'data.execMultiplyTo(cpu, pc, false)', names: ['IMUL2'] },
  { does: 'data.execMultiplyTo(cpu, pc, true)', names: ['IMUL3'] },
  { does: 'data.execExtend(cpu, pc, false)', names: ['MOVZX'] },
  { does: 'data.execExtend(cpu, pc, true)', names: ['MOVSX'] },
  { does: 'data.execLea(cpu, pc)', names: ['LEA'] },
  { does: 'data.execXchg(cpu, pc)', names: ['XCHG'] },
  { does: 'data.execXadd(cpu, pc)', names: ['XADD'] },
  { does: 'data.execCmpxchg(cpu, pc)', names: ['CMPXCHG'] },
  { does: 'data.execCmpxchgPair(cpu, pc, 4)', names: ['CMPXCHG8B'] },
  { does: 'data.execCmpxchgPair(cpu, pc, 8)', names: ['CMPXCHG16B'] },
  { does: 'bits.execBitTest(cpu, pc, operation)', names: ['BT', 'BTS', 'BTR', 'BTC'] },
  { does: 'bits.execBitScan(cpu, pc, operation)', names: ['BSF', 'BSR', 'TZCNT', 'LZCNT', 'POPCNT'] },
  { does: 'bits.execBswap(cpu, pc)', names: ['BSWAP'] },
  { does: 'bits.execMovbe(cpu, pc)', names: ['MOVBE'] },
  { does: 'data.execSetcc(cpu, pc)', names: ['SETCC'] },
  { does: 'data.execCmovcc(cpu, pc)', names: ['CMOVCC'] },
  { does: 'data.execCbw(cpu, pc)', names: ['CBW'] },
  { does: 'data.execCwd(cpu, pc)', names: ['CWD'] },
  { does: 'data.execLahf(cpu)', names: ['LAHF'] },
  { does: 'data.execSahf(cpu)', names: ['SAHF'] },
  { does: 'data.execCarry(cpu, 0, 0)', names: ['CLC'] },
  { does: 'data.execCarry(cpu, 0, FLAG_CF)', names: ['STC'] },
  { does: 'data.execCarry(cpu, FLAG_CF, FLAG_CF)', names: ['CMC'] },
  { does: 'data.execDirection(cpu, false)', names: ['CLD'] },
  { does: 'data.execDirection(cpu, true)', names: ['STD'] },
  { does: '', names: ['NOP'] },
  { does: 'data.execXlat(cpu, pc)', names: ['XLAT'] },
  { does: 'flow.execPopSegment(cpu, pc)', names: ['POP_SEG'] },
  { does: 'flow.execPush(cpu, pc)', names: ['PUSH'] },
  { does: 'flow.execPop(cpu, pc)', names: ['POP'] },
  { does: 'flow.execPushf(cpu, pc)', names: ['PUSHF'] },
  { does: 'flow.execPopf(cpu, pc)', names: ['POPF'] },
  { does: 'flow.execEnter(cpu, pc)', names: ['ENTER'] },
  { does: 'flow.execLeave(cpu, pc)', names: ['LEAVE'] },
  { does: 'flow.execCall(cpu, pc)', names: ['CALL'] },
  { does: 'flow.execCallIndirect(cpu, pc)', names: ['CALL_IND'] },
  { does: 'flow.execRet(cpu, pc)', names: ['RET'] },
  { does: 'flow.execJmp(cpu, pc)', names: ['JMP'] },
  { does: 'flow.execJmpIndirect(cpu, pc)', names: ['JMP_IND'] },
  { does: 'flow.execJcc(cpu, pc)', names: ['JCC'] },
  { does: 'flow.execLoop(cpu, pc)', names: ['LOOP'] },
  { does: 'flow.execPushAll(cpu, pc)', names: ['PUSHA'] },
  // no instruction either
  { does: '', names: ['GOTO'] },
  { does: 'flow.execPopAll(cpu, pc)', names: ['POPA'] },
  { does: 'execString(cpu, pc, operation)', names: ['MOVS', 'STOS', 'LODS', 'SCAS', 'CMPS', 'INS', 'OUTS'] },
  { does: 'execIn(cpu, pc)', names: ['IN'] },
  { does: 'execOut(cpu, pc)', names: ['OUT'] },
  { does: 'system.execCli(cpu)', names: ['CLI'] },
  { does: 'system.execSti(cpu)', names: ['STI'] },
  { does: 'system.execHlt(cpu)', names: ['HLT'] },
  { does: 'system.execCpuid(cpu)', names: ['CPUID'] },
  { does: 'msr.execRdtsc(cpu, false)', names: ['RDTSC'] },
  { does: 'msr.execRdtsc(cpu, true)', names: ['RDTSCP'] },
  { does: 'msr.execRdmsr(cpu)', names: ['RDMSR'] },
  { does: 'msr.execWrmsr(cpu)', names: ['WRMSR'] },
  { does: 'system.execLoadTable(cpu, pc, C_GDT_BASE, C_GDT_LIMIT)', names: ['LGDT'] },
  { does: 'system.execLoadTable(cpu, pc, C_IDT_BASE, C_IDT_LIMIT)', names: ['LIDT'] },
  { does: 'system.execStoreTable(cpu, pc, C_GDT_BASE, C_GDT_LIMIT)', names: ['SGDT'] },
  { does: 'system.execStoreTable(cpu, pc, C_IDT_BASE, C_IDT_LIMIT)', names: ['SIDT'] },
  { does: 'selectors.execLtr(cpu, pc, false)', names: ['LTR'] },
  { does: 'system.execStoreSelector(cpu, pc, SEG_TR)', names: ['STR'] },
  { does: 'selectors.execLtr(cpu, pc, true)', names: ['LLDT'] },
  { does: 'system.execStoreSelector(cpu, pc, SEG_LDTR)', names: ['SLDT'] },
  { does: 'control.execMovFromCr(cpu, pc)', names: ['MOV_FROM_CR'] },
  { does: 'control.execMovToCr(cpu, pc)', names: ['MOV_TO_CR'] },
  { does: 'debug.execMovFromDr(cpu, pc)', names: ['MOV_FROM_DR'] },
  { does: 'debug.execMovToDr(cpu, pc)', names: ['MOV_TO_DR'] },
  { does: 'control.execInvlpg(cpu)', names: ['INVLPG'] },
  { does: 'system.execCacheControl(cpu, INTERCEPT_WBINVD)', names: ['WBINVD'] },
  { does: 'execIret(cpu, pc)', names: ['IRET'] },
  { does: 'execRetFar(cpu, pc)', names: ['RETF'] },
  { does: 'execInt(cpu, pc, operation)', names: ['INT3', 'INT'] },
  { does: 'system.execVmcall(cpu)', names: ['VMCALL'] },
  { does: 'msr.execSwapgs(cpu)', names: ['SWAPGS'] },
  { does: 'syscall.execSyscall(cpu, pc)', names: ['SYSCALL'] },
  { does: 'syscall.execSysret(cpu, pc)', names: ['SYSRET'] },
  { does: 'system.execMovFromSegment(cpu, pc)', names: ['MOV_FROM_SEG'] },
  { does: 'system.execMovToSegment(cpu, pc)', names: ['MOV_TO_SEG'] },
  { does: 'execFar(cpu, pc, false)', names: ['JMP_FAR'] },
  { does: 'execFar(cpu, pc, true)', names: ['CALL_FAR'] },
  { does: 'system.execStoreSystem(cpu, pc, control.visibleCr0(cpu))', names: ['SMSW'] },
  { does: 'control.execLmsw(cpu, pc)', names: ['LMSW'] },
  { does: 'control.execClts(cpu)', names: ['CLTS'] },
  { does: 'control.execAc(cpu, true)', names: ['STAC'] },
  { does: 'control.execAc(cpu, false)', names: ['CLAC'] },
  // BMI1, BMI2: those that set flags first, up to BZHI
  {
    does: 'bmi.execBmi(cpu, pc, operation)',
    names: [
      'ANDN',
      'BEXTR',
      'BLSI',
      'BLSMSK',
      'BLSR',
      'BZHI',
      'MULX',
      'PDEP',
      'PEXT',
      'RORX',
      'SARX',
      'SHLX',
      'SHRX',
    ],
  },
  { does: 'bmi.execAddFlag(cpu, pc, operation)', names: ['ADCX', 'ADOX'] },
  { does: 'bmi.execRdpid(cpu, pc)', names: ['RDPID'] },
  // CLFLUSH, CLFLUSHOPT, CLWB
  { does: 'data.execCacheLine(cpu, pc)', names: ['CACHE_LINE'] },
  { does: 'syscall.execSysenter(cpu)', names: ['SYSENTER'] },
  { does: 'syscall.execSysexit(cpu, pc)', names: ['SYSEXIT'] },
  // RDFSBASE, RDGSBASE
  { does: 'msr.execSegmentBase(cpu, pc, false)', names: ['READ_BASE'] },
  { does: 'msr.execSegmentBase(cpu, pc, true)', names: ['WRITE_BASE'] },
  { does: 'control.execInvpcid(cpu, pc)', names: ['INVPCID'] },
  { does: 'msr.execRdpmc(cpu)', names: ['RDPMC'] },
  { does: 'system.execCacheControl(cpu, INTERCEPT_INVD)', names: ['INVD'] },
  { does: 'admitted(cpu, INTERCEPT_PAUSE, 0)', names: ['PAUSE'] },
  { does: 'selectors.execDescribe(cpu, pc, false)', names: ['LAR'] },
  { does: 'selectors.execDescribe(cpu, pc, true)', names: ['LSL'] },
  { does: 'selectors.execVerify(cpu, pc, false)', names: ['VERR'] },
  { does: 'selectors.execVerify(cpu, pc, true)', names: ['VERW'] },
  { does: 'selectors.execArpl(cpu, pc)', names: ['ARPL'] },
  { does: 'execInt(cpu, pc, operation)', names: ['INT1', 'INTO'] },
  { does: 'legacy.execAsciiAdjust(cpu, 0x106)', names: ['AAA'] },
  { does: 'legacy.execAsciiAdjust(cpu, -0x106)', names: ['AAS'] },
  { does: 'legacy.execDecimalAdjust(cpu, 1)', names: ['DAA'] },
  { does: 'legacy.execDecimalAdjust(cpu, -1)', names: ['DAS'] },
  { does: 'legacy.execAsciiMultiply(cpu, pc)', names: ['AAM'] },
  { does: 'legacy.execAsciiDivide(cpu, pc)', names: ['AAD'] },
  { does: 'legacy.execSalc(cpu)', names: ['SALC'] },
  { does: 'legacy.execBound(cpu, pc)', names: ['BOUND'] },
  { does: 'control.execFninit(cpu)', names: ['FNINIT'] },
  { does: 'legacy.execLoadPointer(cpu, pc)', names: ['LOAD_POINTER'] },
] as const satisfies readonly Group[];

type Name = (typeof GROUPS)[number]['names'][number];

const NAMES: readonly Name[] = GROUPS.flatMap(({ names }) => names);

/** Numbers of the general operations. */
export const op = Object.fromEntries(NAMES.map((name, i) => [`OP_${name}`, i])) as Record<
  `OP_${Name}`,
  number
>;

/** `core/generated/ops.ts`: the numbers for the core. */
export function generalNumbersSource(): string {
  return [
    '/** Made by scripts/build-core.mjs from the table of general operations: not to be changed here. */',
    ...NAMES.map((name, i) => `export const OP_${name} = ${i};`),
    '',
  ].join('\n');
}

/** The cases of `core/run/dispatch-frame.ts`. What calls nothing has no case, or nothing to do. */
export function generalCases(): string {
  const cases = GROUPS.map(({ does, names }) => {
    const labels = names.map((name) => `case op.OP_${name}:`);
    return [...labels, does === '' ? '  return;' : `  ${does};\n  return;`].join('\n');
  });
  return cases.join('\n');
}
