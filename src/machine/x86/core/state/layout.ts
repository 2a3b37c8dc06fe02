/**
 * Where everything lies in the core's linear memory. The one definition of both sides: the core (AssemblyScript) and its
 * TypeScript wrapper import this file, so it holds nothing but integer constants.
 *
 *     0            static data of the core, scratch
 *     CPU_BASE     one CPU_SIZE block a vCPU: registers, then three address-translation contexts
 *     …            hash heads, page flags, page lists, code granules, micro-op cache, RAM (see `init` of the core)
 */

// ---- one vCPU ----
export const CPU_BASE = 65536;
export const CPU_SIZE = 131072;

/** Sixteen general registers, 8 bytes each. */
export const C_REGS = 0;
/** Eight bytes that are always 0: the base, index or segment base of an address that has none. */
export const C_ZERO = 128;
export const C_RIP = 136;
/** Lazy status flags: kind and size (`CC_*`), and the two operands, sign-extended. */
export const C_CC = 144;
export const C_CCA = 152;
export const C_CCB = 160;
/** RFLAGS without the six status flags. */
export const C_FLAGS = 168;
/** (cycles to the target − 1) << 32 | (0xffffffff − instructions retired since C_RETIRED); negative: stop. */
export const C_BUDGET = 176;
/** Time, as a double, at which the budget runs out. */
export const C_TARGET = 184;
/** Instructions retired before the budget's own count, as a double. */
export const C_RETIRED = 192;
/** Count of retired instructions at which an interrupt shadow holds, as a double; −1 for none. */
export const C_SHADOW = 200;
/** Address of the active translation context. */
export const C_MMU = 208;
export const C_CPL = 212;
export const C_INDEX = 216;
/** Why the core stopped (`STOP_*`). */
export const C_STOP = 220;
/** Non-zero: stop as soon as the guest can take an interrupt (bit 0) or an NMI (bit 1). */
export const C_WINDOW = 224;
/** 64-bit answers of call-outs. */
export const C_RESULT_LOW = 228;
export const C_RESULT_HIGH = 232;
/** Exceptions that led to a shutdown: count, then vectors as bytes. */
export const C_CHAIN = 236;
export const C_CR0 = 240;
export const C_CR2 = 248;
export const C_CR3 = 256;
export const C_CR4 = 264;
export const C_EFER = 272;
export const C_KERNEL_GS = 280;
export const C_STAR = 288;
export const C_LSTAR = 296;
export const C_CSTAR = 304;
export const C_SFMASK = 312;
/** Added to the vCPU's time to give the TSC. */
export const C_TSC_OFFSET = 320;
export const C_TSC_AUX = 328;
export const C_DR = 336; // eight registers
export const C_GDT_BASE = 400;
export const C_GDT_LIMIT = 408;
export const C_IDT_BASE = 416;
export const C_IDT_LIMIT = 424;
/** Set once the core met an instruction it lacks, or code outside RAM; the wrapper turns it into words. */
export const C_REASON = 428;
/** Cycles of an exception delivery, as a double would not fit the budget's arithmetic: an i64. */
export const C_EXCEPTION_COST = 432;
/** Handlers entered by an external interrupt and not yet left: count, then stack frame addresses. */
export const C_HANDLERS = 440;
export const C_HANDLER_FRAMES = 448; // HANDLERS_MAX × 8
export const HANDLERS_MAX = 16;
/** How code is decoded and executed: MODE_64, MODE_32 or MODE_16, from EFER.LMA and the L and D bits of CS. */
export const C_MODE = 576;
/** i64: which bits of RSP the stack uses, from the mode and the B bit of SS. */
export const C_STACK_MASK = 584;
/** NMI_BLOCKED until the next IRET. */
export const C_NMI = 592;
export const NMI_BLOCKED = 1;
/** Non-zero (`DEBUG_*`): instructions go one by one through the debug loop. */
export const C_DEBUG = 596;
export const DEBUG_STEP = 1; // RFLAGS.TF
export const DEBUG_RESUME = 2; // RFLAGS.RF: to be cleared by the next instruction
export const DEBUG_BREAKPOINTS = 4; // DR7 enables one
export const DEBUG_PENDING = 8; // C_PENDING_DB
export const DEBUG_ALIGNMENT = 16; // CR0.AM, RFLAGS.AC and CPL 3
/** DR6 bits of a #DB that is due at the next boundary. */
export const C_PENDING_DB = 600;
/** u32: last offset of the code segment, for 32- and 16-bit code. */
export const C_CODE_LIMIT = 604;
export const C_SYSENTER_CS = 608;
export const C_SYSENTER_ESP = 616;
export const C_SYSENTER_EIP = 624;
/** i64: added to RIP to give the linear address of code; 0 in 64-bit mode. */
export const C_CODE_BASE = 632;
export const C_SEGMENTS = 640; // SEG_SIZE each: ES CS SS DS FS GS LDTR TR
export const SEG_SIZE = 32;
export const SEG_ES = 0;
export const SEG_CS = 1;
export const SEG_SS = 2;
export const SEG_DS = 3;
export const SEG_FS = 4;
export const SEG_GS = 5;
export const SEG_LDTR = 6;
export const SEG_TR = 7;
/** Within a segment register. Attributes are bits 40-55 of the descriptor (type, S, DPL, P, AVL, L, D, G). */
export const S_BASE = 0;
export const S_SELECTOR = 8;
export const S_LIMIT = 12;
export const S_ATTR = 16;

/** Values of C_MODE: 64-bit code; 32-bit code (protected or compatibility); 16-bit code (real, protected, compatibility). */
export const MODE_64 = 0;
export const MODE_32 = 1;
export const MODE_16 = 2;

/** The four page-directory-pointer-table entries as PAE paging keeps them in registers (SDM vol. 3, 4.4.1). */
export const C_PDPTE = 2048; // 4 × 8
export const C_TSC_ADJUST = 2080;
export const C_PAT = 2104;
/** Non-zero: where the vendors differ the vCPU follows AMD. */
export const C_AMD = 2128;
/** Non-zero: somebody wants to be told when the guest comes to CPL 3 or leaves it. */
export const C_PRIVILEGE_TOLD = 2132;
export const C_MISC_ENABLE = 2112;
/** Count of retired instructions at which the shadow of a load of SS holds, as a double; it is one of C_SHADOW, too. */
export const C_SHADOW_SS = 2088;
/** Non-zero: the third translation context has been used since it was emptied. */
export const C_EXEMPT_USED = 2096;
/** Non-zero: a translation is kept that lets a store pass only because CR0.WP is clear. */
export const C_WP_USED = 2120;

// ---- what leaves the guest (`policy.ts`) ----
/** i64: bits of CR0 and CR4 that belong to the VMM, and what the guest reads in them if `FIXED_SHADOW_*` of C_SHADOWED says so. */
export const C_CR0_MASK = 2136;
export const C_CR0_SHADOW = 2144;
export const C_CR4_MASK = 2152;
export const C_CR4_SHADOW = 2160;
/** u32, one bit for each MSR of the core (`msr.ts`): its RDMSR, its WRMSR leaves. */
export const C_MSR_READS = 2168;
export const C_MSR_WRITES = 2172;
/** u32, one bit for each vector, and for page faults which error codes count (SDM vol. 3, 25.6.3). */
export const C_EXCEPTIONS = 2176;
export const C_PAGE_FAULT_MASK = 2180;
export const C_PAGE_FAULT_MATCH = 2184;
/** u32, one bit for each INTERCEPT_* that leaves. */
export const C_INTERCEPTS = 2188;
/** i32, FIXED_SHADOW_*: the read shadow is a value of its own; otherwise it is the register. */
export const C_SHADOWED = 2192;
export const FIXED_SHADOW_CR0 = 1;
export const FIXED_SHADOW_CR4 = 2;

/** i32, TRANSLATE_*: who translates addresses; 0: page walks, over RAM that begins at physical address 0. */
export const C_TRANSLATION = 2208;
/** Guest-physical pages lead where the VMM says. */
export const TRANSLATE_SECOND_STAGE = 1;
/** A linear address that the TLB does not know is the VMM's to translate. */
export const TRANSLATE_SOFTWARE = 2;
/** Kinds of accesses that are translated. A peek is none of the guest's: it changes nothing. */
export const ACCESS_READ = 0;
export const ACCESS_WRITE = 1;
export const ACCESS_EXEC = 2;
export const ACCESS_PEEK = 3;
/** i32: index of the call-out under way among those of its instruction; before the first −1. */
export const C_ACCESS = 2196;
/** f64: iterations of a repeated instruction from the running one on; 0: it is not repeated. */
export const C_ITERATIONS = 2200;

/**
 * f64, i64: the count of retired instructions and the RIP at which an instruction has begun and is not over: iterations of it
 * are done, or it was given up and is to be executed anew. It is come to no second time. A count of −1: none.
 */
export const C_BEGUN = 2216;
export const C_BEGUN_RIP = 2224;

/** How an instruction names its port (`PortForm` of types.ts), above the size in the call-out. */
export const PORT_IMMEDIATE = 1 << 3;
export const PORT_STRING = 2 << 3;
export const PORT_SIZE_MASK = 7;

/** Why the guest left (`Intercept` of policy.ts). */
export const INTERCEPT_CR_ACCESS = 0;
export const INTERCEPT_DR_ACCESS = 1;
export const INTERCEPT_EXCEPTION = 2;
export const INTERCEPT_INVD = 3;
export const INTERCEPT_WBINVD = 4;
export const INTERCEPT_RDTSC = 5;
export const INTERCEPT_RDTSCP = 6;
export const INTERCEPT_RDPMC = 7;
export const INTERCEPT_INVLPG = 8;
export const INTERCEPT_INVPCID = 9;
export const INTERCEPT_PAUSE = 10;
export const INTERCEPT_GDTR_IDTR = 11;
export const INTERCEPT_LDTR_TR = 12;
/** Only as bits of C_INTERCEPTS: MOV to and from CR3, which leave as INTERCEPT_CR_ACCESS. */
export const INTERCEPT_CR3_LOAD = 16;
export const INTERCEPT_CR3_STORE = 17;

/** What the VMM answers (`Disposition` of policy.ts). */
export const ANSWER_PROCEED = 0;
export const ANSWER_HANDLED = 1;
export const ANSWER_GENERAL_PROTECTION = 2;
export const ANSWER_INVALID_OPCODE = 3;

// ---- translation contexts ----
/** CPL 0-2; CPL 3; CPL 0-2 while EFLAGS.AC suspends SMAP. */
export const CONTEXTS = 3;
export const CONTEXT0 = 4096;
export const TLB_ENTRIES = 256;
export const TLB_ENTRY = 32;
/** Distance of the bits of a page number that together choose its entry. */
export const TLB_FOLD = 9;
/** Within a TLB entry: tags (page address, or with a TAG_* bit), then the addend or the device page. */
export const T_READ = 0;
export const T_WRITE = 8;
export const T_EXEC = 16;
export const T_DATA = 24;
/** The page is not RAM: T_DATA is its physical address. */
export const TAG_DEVICE = 1;
/** The page holds translated code or page tables, or somebody watches it: every store, or every load, has to ask. */
export const TAG_ASK = 2;
/** After the TLB: indirect-branch cache, RIP and micro-op address. */
export const JUMP_CACHE = 8192;
export const JUMP_ENTRIES = 1024;
export const JUMP_ENTRY = 16;
export const CONTEXT_SIZE = 24576;
/** Fills empty TLB and jump-cache entries: not canonical, so no lookup can match it. */
export const EMPTY_BYTE = 0xa5;

// ---- scratch in the static area ----
/** Page-table entries of the last walk, four addresses. */
export const SCRATCH_WALK = 4096;
/** Pages that count as page tables: their numbers. */
export const SCRATCH_TABLES = 16384;
export const TABLES_MAX = 4096;

/** Physical address bits, as CPUID leaf 0x80000008 tells them (SDM vol. 3, 4.1.4). */
export const PHYSICAL_BITS = 46;

/** Eight values that POPA has read. */
export const SCRATCH_POPA = 4128;

// ---- micro-operations ----
export const UOP_SIZE = 64;
export const U_FAST = 0; // u16, operation of the fast loop; 0: the general one
export const U_OP = 2; // u16, general operation
export const U_R1 = 4; // u16, offset of operand registers within the vCPU
export const U_R2 = 6;
export const U_COST = 8; // i64, cycles << 32 | 1
export const U_IMM = 16; // i64
export const U_DISP = 24; // i64
export const U_BASE = 32; // u16
export const U_INDEX = 34; // u16
export const U_SEG = 36; // u16
export const U_SCALE = 38; // u8
export const U_FLAGS = 39; // u8, UF_*
export const U_RIP = 40; // i64
export const U_TARGET = 48; // i32, micro-op of a direct branch in the same page; 0: not known yet
export const U_LEN = 52; // u8
export const U_SIZE = 53; // u8, operand size in bytes
export const U_SIZE2 = 54; // u8, source operand size
export const U_K1 = 55; // u8, K_*
export const U_K2 = 56; // u8
export const U_EXT = 57; // u8, condition code or variant

export const U_SEGX = 58; // u8, segment of the memory operand, SEG_*
export const U_ASIZE = 59; // u8, address size in bytes

/** i32: how often a direct branch is still to be taken before its target counts as hot; 0: counted no more. */
export const U_HITS = 60;

export const K_NONE = 0;
export const K_REG = 1;
export const K_MEM = 2;
export const K_IMM = 3;

/** The address is on the stack segment: #SS instead of #GP. */
export const UF_STACK = 2;
export const UF_REP = 4;
export const UF_REPNE = 8;
/** A direct branch whose target lies in the same page. */
export const UF_NEAR = 16;
/** 32- or 16-bit code: the memory operand goes through the segment U_SEGX with its limit and rights. */
export const UF_SEGMENTED = 32;

// ---- block header: one micro-op slot before the first micro-op ----
export const B_NEXT_HASH = 0;
export const B_NEXT_PAGE = 4; // two links: first and second page
export const B_PAGE = 12; // i32, physical page number of the start; −1: dead
export const B_COUNT = 16;
export const B_RIP = 24;
export const B_PHYS = 32;
export const B_PAGE2 = 36;
export const B_MODE = 40; // i32, MODE_* it was decoded for
export const B_LIMIT = 44; // u32, C_CODE_LIMIT it was decoded for; counts for 32- and 16-bit code only
/** Of a block that a compiled region stands for: its slot in the table, the first micro-op's own U_FAST, and its credit. */
export const B_REGION = 48; // i32
export const B_FAST = 52; // u16
/** i32: falls by REGION_FEE for each entry, rises by the instructions it retires; below 0 the region is given up. */
export const B_CREDIT = 56;
export const REGION_FEE = 16;
export const HASH_HEADS = 16384;
/** Longest block, in micro-operations. */
export const BLOCK_MAX = 64;

// ---- page flags ----
export const PAGE_DIRTY = 1;
export const PAGE_CODE = 2;
/** Page walks have read it. */
export const PAGE_TABLE = 4;
/** It is ROM: what page walks would note in its entries is lost. */
export const PAGE_ROM = 8;
/** Somebody watches loads from it, stores to it. */
export const PAGE_READS_WATCHED = 16;
export const PAGE_WRITES_WATCHED = 32;
/** Stores of vCPUs go to whoever guards it, as to a device. */
export const PAGE_GUARDED = 64;

// ---- lazy flags ----
/** a − b at the given size (also logic: result − 0). Bits 0-5 hold 64 − size in bits. */
export const CC_SUB = 0;
/** As SUB with b = ±1, but the carry is bit CC_CARRY and for b = −1 the adjust flag is inverted. */
export const CC_INC = 64;
export const CC_ADD = 128;
/** a holds the six flags themselves. */
export const CC_RAW = 192;
export const CC_CLASS = 192;
export const CC_CARRY = 256;

// ---- stop codes of the core's `run` ----
export const STOP_BOUNDARY = 0;
export const STOP_HALTED = 1;
export const STOP_SHUTDOWN = 4;
export const STOP_UNSUPPORTED = 5;
/** A call-out abandoned the instruction. */
export const STOP_ABANDONED = 6;
/** The instruction is a breakpoint of whoever owns the vCPU: nothing of it has happened. */
export const STOP_BREAKPOINT = 7;

/** Why the core gave up: an instruction it lacks, or code outside RAM. */
export const REASON_INSTRUCTION = 1;
export const REASON_FETCH = 2;
/** A task gate, a TSS as the target of a far transfer, or IRET with NT set: hardware task switching. */
export const REASON_TASK = 3;
/** IRET to virtual-8086 mode. */
export const REASON_VM86 = 4;
