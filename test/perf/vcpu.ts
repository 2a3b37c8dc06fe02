/** The bare vCPU: instructions a second in two loops of plain computation. No VMM, no trace. */
import { createMachineCore } from '../../src/machine/cpu';
import { Reg, StopReason, type Cpu, type CpuCallouts } from '../../src/machine/cpu/types';

const CODE = 0x10_0000;
const STACK = 0x9_0000;
const PML4 = 0x1000;
const PDPT = 0x2000;
/** PRESENT, WRITABLE, and (in the PDPT) a 1 GiB page. */
const TABLE = 3;
const GIB_PAGE = 0x83;

/** Long enough that V8 has replaced its first compilation of the interpreter; each is run in slices for that reason. */
const WARM_UP = 30_000_000;
const SLICE = 4_000_000;

/** A loop that counts R8 down to 0 and halts. */
export interface Loop {
  name: string;
  /** What it does, one instruction a line. */
  listing: string;
  code: string;
  /** Instructions of one iteration. */
  length: number;
  iterations: number;
}

export const loops: readonly Loop[] = [
  {
    name: 'alu',
    listing:
      'mov rsi,0x200000; mov rdx,0xfff8; xor edi,edi; 1: mov rax,[rsi+rdi]; add rax,rbx; xor rax,rcx; mov [rsi+rdi],rax; ' +
      'add rdi,8; and rdi,rdx; mov rbx,rax; shr rbx,3; sub r8,1; jnz 1b; hlt',
    code: '48c7c600002000 48c7c2f8ff0000 31ff 488b043e 4801d8 4831c8 4889043e 4883c708 4821d7 4889c3 48c1eb03 4983e801 75de f4',
    length: 10,
    iterations: 30_000_000,
  },
  {
    name: 'calls',
    listing: 'jmp 2f; f: push rbp; mov rbp,rsp; add rax,1; pop rbp; ret; 2: call f; sub r8,1; jnz 2b; hlt',
    code: 'eb0a 55 4889e5 4883c001 5d c3 e8f1ffffff 4983e801 75f5 f4',
    length: 8,
    iterations: 25_000_000,
  },
];

const NO_CALLOUTS: CpuCallouts = {
  mmioRead: () => 0,
  mmioWrite: () => undefined,
  portIn: () => 0,
  portOut: () => undefined,
  msrRead: () => undefined,
  msrWrite: () => false,
  cpuid: () => ({ eax: 0, ebx: 0, ecx: 0, edx: 0 }),
  hlt: () => undefined,
  vmcall: () => false,
  cr8Read: () => 0,
  cr8Write: () => undefined,
  interruptDelivered: () => undefined,
  interruptReturned: () => undefined,
};

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.replaceAll(' ', '').match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

function entry(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function runToHalt(cpu: Cpu): void {
  let reason: StopReason;
  do reason = cpu.run(cpu.now() + SLICE);
  while (reason === StopReason.Deadline);
  if (reason !== StopReason.Halted)
    throw new Error(`the loop stopped with reason ${reason}: ${cpu.faultReport()?.message}`);
}

/** Millions of guest instructions a second. */
export function measureLoop(core: Uint8Array, loop: Loop): number {
  const costs = { base: 1, memory: 1, branch: 1, multiply: 1, divide: 1, serialising: 1 };
  const machine = createMachineCore({
    ramBytes: 16 * 2 ** 20,
    cpus: 1,
    module: new WebAssembly.Module(core),
    costs,
  });
  const [cpu] = machine.cpus;
  if (!cpu) throw new Error('the machine has no CPU');
  cpu.callouts = NO_CALLOUTS;
  machine.memory.write(PML4, entry(PDPT | TABLE));
  machine.memory.write(PDPT, entry(GIB_PAGE));
  machine.memory.write(CODE, bytesOf(loop.code));
  const run = (iterations: number): number => {
    cpu.startLongMode(BigInt(CODE), BigInt(STACK), PML4);
    cpu.setReg(Reg.R8, BigInt(iterations));
    const before = cpu.instructions();
    const started = performance.now();
    runToHalt(cpu);
    return (cpu.instructions() - before) / (performance.now() - started) / 1000;
  };
  run(WARM_UP / loop.length);
  return run(loop.iterations);
}
